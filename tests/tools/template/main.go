// SPDX-License-Identifier: Apache-2.0

// Fills in the results of template cases by running them through Go's text/template
// with Sprig's and Promtail's functions:
//
//	cd tests/tools && TZ=UTC go run ./template ../text/template/*.txt
//
// A file of cases holds lines of five kinds, and is rewritten in place:
//
//	# a comment
//	@ {"Value": "x"}          the data of the cases that follow, a map[string]interface{}
//	@string {"Value": "x"}    the same as a map[string]string
//	{{ .Value }}              a case; ¶ stands for a line feed
//	= "x"                     its result, quoted as Go does; or
//	! parse                   it does not compile; or
//	! run                     it fails when it is run
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	all["ToLower"] = strings.ToLower
	all["ToUpper"] = strings.ToUpper
	all["Replace"] = strings.Replace
	all["Trim"] = strings.Trim
	all["TrimLeft"] = strings.TrimLeft
	all["TrimRight"] = strings.TrimRight
	all["TrimPrefix"] = strings.TrimPrefix
	all["TrimSuffix"] = strings.TrimSuffix
	all["TrimSpace"] = strings.TrimSpace
	all["Hash"] = func(salt, text string) string {
		sum := sha3.Sum256([]byte(salt + text))
		return hex.EncodeToString(sum[:])
	}
	all["Sha2Hash"] = func(salt, text string) string {
		sum := sha256.Sum256([]byte(salt + text))
		return hex.EncodeToString(sum[:])
	}
	all["regexReplaceAll"] = func(pattern, text, by string) string {
		return regexp.MustCompile(pattern).ReplaceAllString(text, by)
	}
	all["regexReplaceAllLiteral"] = func(pattern, text, by string) string {
		return regexp.MustCompile(pattern).ReplaceAllLiteralString(text, by)
	}
	return all
}

func result(source string, data func() any) string {
	parsed, err := template.New("pipeline_template").Funcs(functions()).Parse(source)
	if err != nil {
		return "! parse"
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data()); err != nil {
		return "! run"
	}
	return "= " + strconv.QuoteToASCII(out.String())
}

func decode[T any](text string) func() any {
	return func() any {
		var data map[string]T
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			panic(err)
		}
		return data
	}
}

func rewrite(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out strings.Builder
	data := decode[any]("{}")
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		isResult := strings.HasPrefix(line, "= ") || strings.HasPrefix(line, "! ")
		if isResult {
			continue
		}
		fmt.Fprintln(&out, line)
		if rest, found := strings.CutPrefix(line, "@string "); found {
			data = decode[string](rest)
		} else if rest, found := strings.CutPrefix(line, "@ "); found {
			data = decode[any](rest)
		} else if line != "" && !strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, result(strings.ReplaceAll(line, "¶", "\n"), data))
		}
	}
	return os.WriteFile(path, []byte(out.String()), 0o644)
}

func main() {
	for _, path := range os.Args[1:] {
		if err := rewrite(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

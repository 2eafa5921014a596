// SPDX-License-Identifier: Apache-2.0

// Command querycheck parses queries with the parsers that Loki and Prometheus
// use themselves.
//
// It reads a JSON array of {"lang": "logql"|"promql", "query": "...", "where":
// "..."} from standard input and prints one line for each query that does not
// parse. Exit code 1 if there is any.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/promql/parser"
)

type query struct {
	Lang  string `json:"lang"`
	Query string `json:"query"`
	Where string `json:"where"`
}

func check(q query) error {
	switch q.Lang {
	case "logql":
		_, err := syntax.ParseExpr(q.Query)
		return err
	case "promql":
		_, err := parser.NewParser(parser.Options{}).ParseExpr(q.Query)
		return err
	}
	return fmt.Errorf("unknown language %q", q.Lang)
}

func main() {
	var queries []query
	if err := json.NewDecoder(os.Stdin).Decode(&queries); err != nil {
		fmt.Fprintln(os.Stderr, "querycheck:", err)
		os.Exit(2)
	}
	bad := 0
	for _, q := range queries {
		if err := check(q); err != nil {
			bad++
			fmt.Printf("%s: %v\n    %s\n", q.Where, err, q.Query)
		}
	}
	fmt.Printf("%d queries, %d bad\n", len(queries), bad)
	if bad > 0 {
		os.Exit(1)
	}
}

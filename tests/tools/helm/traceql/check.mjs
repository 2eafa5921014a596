// SPDX-License-Identifier: Apache-2.0
// Reads a JSON array of {"query": "...", "where": "..."} from standard input and prints a
// line for each TraceQL query that Grafana's own grammar does not take. Exit code 1 if there is any.
import { readFileSync } from 'node:fs';
import { parser } from '@grafana/lezer-traceql';

const queries = JSON.parse(readFileSync(0, 'utf8'));
let bad = 0;
for (const { query, where } of queries) {
  let wrong = -1;
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError && wrong < 0) wrong = node.from;
    },
  });
  if (wrong >= 0) {
    bad += 1;
    console.log(`${where}: at character ${wrong + 1}\n    ${query}`);
  }
}
console.log(`${queries.length} queries, ${bad} bad`);
process.exit(bad > 0 ? 1 : 0);

// Reads `go test -json`, shows a line per package and the output of what failed,
// and leaves "passed failed" in the file named by its argument. A package that did
// not build, or died, counts as one failure.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

let passed = 0;
let failed = 0;
const output = new Map();
const brokenPackages = new Set();

for await (const line of createInterface({ input: process.stdin })) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    console.log(line);
    continue;
  }
  const { Action: action, Package: pkg, Test: test, ImportPath: built } = event;
  const key = `${pkg ?? built} ${test ?? ''}`;
  switch (action) {
    case 'build-output':
      process.stdout.write(event.Output);
      break;
    case 'output':
      output.set(key, (output.get(key) ?? '') + event.Output);
      break;
    case 'pass':
      if (test) passed++;
      else console.log(`ok   ${pkg} ${event.Elapsed} s`);
      output.delete(key);
      break;
    case 'skip':
      if (test) console.log(`skip ${pkg} ${test}\n${output.get(key) ?? ''}`);
      output.delete(key);
      break;
    case 'fail':
      if (test) {
        failed++;
        brokenPackages.add(pkg);
      } else if (!brokenPackages.has(pkg)) {
        failed++;
      }
      console.log(`FAIL ${pkg} ${test ?? ''}\n${output.get(key) ?? ''}`);
      output.delete(key);
  }
}
writeFileSync(process.argv[2], `${passed} ${failed}\n`);

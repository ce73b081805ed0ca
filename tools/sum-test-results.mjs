/** Adds up the packages' vitest reports; prints `N passed, N failed`, and fails where a test meant for CI was skipped. */
import { readFileSync, readdirSync } from 'node:fs';

const packages = readdirSync('packages');
let passed = 0;
let failed = 0;
const skipped = [];
const missing = [];
for (const name of packages) {
  let report;
  try {
    report = JSON.parse(readFileSync(`packages/${name}/test-results.json`, 'utf8'));
  } catch {
    missing.push(name);
    continue;
  }
  passed += report.numPassedTests;
  failed +=
    report.numFailedTests +
    report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
      .length;
  for (const file of report.testResults) {
    for (const test of file.assertionResults)
      if (test.status === 'pending') skipped.push(`${name}: ${test.fullName}`);
  }
}
for (const name of missing) console.log(`no test report from packages/${name}`);
const required = (process.env.SELECTIVE_DPO_REQUIRE ?? '').split(',');
const wanted = required.includes('shared') ? skipped : [];
for (const name of wanted) console.log(`skipped, though this machine has what it needs: ${name}`);
const total = failed + missing.length + wanted.length;
console.log(`${passed} passed, ${total} failed`);
process.exitCode = total === 0 ? 0 : 1;

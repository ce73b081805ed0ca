/**
 * Adds up the packages' vitest reports and the rows of a torture's report (its path is the one word), if one is named, and prints `N passed, N failed`. In CI (SELECTIVE_DPO_REQUIRE is set) a skipped
 * test counts as failed, unless its name says that it needs something which CI does not list: `(needs NAME)`.
 */
import { readFileSync, readdirSync } from 'node:fs';

const required = process.env.SELECTIVE_DPO_REQUIRE?.split(',').filter((name) => name !== '');
const isOptional = (name) => {
  const [, need] = /\(needs ([a-z]+)\)/.exec(name) ?? [];
  return need !== undefined && !required.includes(need);
};

let passed = 0;
let failed = 0;
let optional = 0;
const complaints = [];
for (const name of readdirSync('packages')) {
  let report;
  try {
    report = JSON.parse(readFileSync(`packages/${name}/test-results.json`, 'utf8'));
  } catch {
    complaints.push(`packages/${name} has no test report`);
    continue;
  }
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  for (const file of report.testResults) {
    if (file.status === 'failed' && file.assertionResults.length === 0)
      complaints.push(`${file.name} did not run`);
    for (const { status, fullName } of file.assertionResults) {
      if (status === 'passed' || status === 'failed') continue;
      if (required === undefined || isOptional(fullName)) optional++;
      else complaints.push(`skipped, though CI has what it needs: ${name}: ${fullName}`);
    }
  }
}
const [torture] = process.argv.slice(2);
if (torture !== undefined) {
  try {
    const { rows } = JSON.parse(readFileSync(torture, 'utf8'));
    for (const { sound, skipped, scenario, kind } of rows) {
      if (!sound) complaints.push(`torture: ${scenario}: ${kind}`);
      else if (skipped === undefined) passed++;
      else optional++;
    }
  } catch {
    complaints.push(`the torture has left no report in ${torture}`);
  }
}
for (const complaint of complaints) console.log(complaint);
if (optional > 0) console.log(`${optional} optional tests or rows were skipped`);
const total = failed + complaints.length;
console.log(`${passed} passed, ${total} failed`);
process.exitCode = total === 0 ? 0 : 1;

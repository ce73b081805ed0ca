export { AppendedLines, type OwnLines } from './appended-lines.js';
export { expectation } from './expectation.js';
export { FileProblems, MAX_LINE_BYTES, checkedLine, checkedLines, type CheckedLine } from './json-records.js';

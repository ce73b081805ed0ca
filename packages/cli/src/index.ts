export { buildProgram } from './program.js';
export type { CommandContext } from './command-context.js';
export { ConsoleWriter, type TextStream } from './console/console-writer.js';
export { renderTable, type TableRow } from './demo/result-table.js';
export { OptionReader } from './options.js';
export { VERSION } from './version.js';

export { buildProgram } from './program.js';
export type { CommandContext } from './command-context.js';
export { ConsoleWriter, type TextStream } from './console/console-writer.js';
export { VERSION } from './version.js';

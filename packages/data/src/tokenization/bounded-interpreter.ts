/**
 * The Jinja interpreter with limits. Every statement and expression of a template passes through `evaluate`, so the
 * time, and the size of any value, are checked there: much cheaper than a watchdog thread for every rendering.
 */
import { Interpreter as Implementation, type Environment } from '@huggingface/jinja';

/** Longest text a template may build, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 1 << 26;
/** Longest list a template may build. */
export const MAX_LIST_LENGTH = 1 << 20;
/** How many evaluations pass between two looks at the clock. */
const STEPS_PER_LOOK = 16;

interface RuntimeValue {
  value: unknown;
}

/** What is used of the library's class: its declarations name files without extensions, which resolve to `any`. */
interface LibraryInterpreter {
  run(program: unknown): RuntimeValue;
  evaluate(statement: unknown, environment: Environment): RuntimeValue;
}

const Interpreter = Implementation as unknown as new (environment: Environment) => LibraryInterpreter;

/** A limit was passed; the message says which. */
export class TemplateRunaway extends Error {
  override readonly name = 'TemplateRunaway';
}

export class BoundedInterpreter extends Interpreter {
  private steps = 0;
  private readonly deadline: number;

  constructor(
    environment: Environment,
    private readonly deadlineMs: number,
  ) {
    super(environment);
    this.deadline = performance.now() + deadlineMs;
  }

  /** @throws TemplateRunaway */
  override evaluate(statement: unknown, environment: Environment): RuntimeValue {
    if (++this.steps % STEPS_PER_LOOK === 0 && performance.now() > this.deadline) {
      throw new TemplateRunaway(`no result after ${this.deadlineMs} ms`);
    }
    const result = super.evaluate(statement, environment);
    const { value } = result;
    if (typeof value === 'string' && value.length > MAX_TEXT_LENGTH) {
      throw new TemplateRunaway(`a text of ${value.length} characters`);
    }
    if (Array.isArray(value) && value.length > MAX_LIST_LENGTH) {
      throw new TemplateRunaway(`a list of ${value.length} values`);
    }
    return result;
  }
}

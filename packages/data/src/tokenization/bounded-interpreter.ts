/**
 * The Jinja interpreter with limits. Every statement and expression of a template passes through `evaluate`, so the
 * time, and the size of any value, are checked there: much cheaper than a watchdog thread for every rendering.
 */
import { Interpreter as Implementation, type Environment } from '@huggingface/jinja';
import { TemplateWeights, type TemplateValue } from './template-weight.js';

/**
 * Longest text a template may build, in UTF-16 units, and most that a list or mapping may be as text: a rendered conversation
 * has 1 Mi at most, and a filter may make a value of every character.
 */
export const MAX_TEXT_LENGTH = 1 << 22;
/** Longest list a template may build. */
export const MAX_LIST_LENGTH = 1 << 20;
/** How many evaluations pass between two looks at the clock. */
const STEPS_PER_LOOK = 16;

/** What is used of the library's class: its declarations name files without extensions, which resolve to `any`. */
interface LibraryInterpreter {
  run(program: unknown): TemplateValue;
  evaluate(statement: unknown, environment: Environment): TemplateValue;
}

const Interpreter = Implementation as unknown as new (environment: Environment) => LibraryInterpreter;

/** A limit was passed; the message says which. */
export class TemplateRunaway extends Error {
  override readonly name = 'TemplateRunaway';
}

export class BoundedInterpreter extends Interpreter {
  private steps = 0;
  private readonly deadline: number;
  private readonly weights = new TemplateWeights();

  constructor(
    environment: Environment,
    private readonly deadlineMs: number,
  ) {
    super(environment);
    this.deadline = performance.now() + deadlineMs;
  }

  /** @throws TemplateRunaway */
  override evaluate(statement: unknown, environment: Environment): TemplateValue {
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
    if (typeof value === 'object' && value !== null && this.weights.of(result) > MAX_TEXT_LENGTH) {
      throw new TemplateRunaway(`a value of more than ${MAX_TEXT_LENGTH} characters as text`);
    }
    return result;
  }
}

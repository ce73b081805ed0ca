/**
 * A chat template: Jinja text that renders messages, run by `@huggingface/jinja`. Templates come with models and are
 * programs of strangers, so a rendering has a time limit and its text a length limit.
 */
import { createContext, Script } from 'node:vm';
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { InputError } from '@selective-dpo/foundation';
import { strftime } from './strftime.js';

/** Longest text of a template, in UTF-16 units. The longest seen is about 20,000. */
export const MAX_TEMPLATE_LENGTH = 1 << 20;
/** Longest rendered text, in UTF-16 units. */
export const MAX_RENDERED_LENGTH = 1 << 26;
/** Longest time one rendering may take, in milliseconds. */
export const RENDER_DEADLINE_MS = 10_000;
const MAX_RANGE = 1 << 20;

/** The template refused these messages (`raise_exception`), or they broke it. A matter of the row, not of the run. */
export class TemplateRefusal extends Error {
  override readonly name = 'TemplateRefusal';
}

/** What the rendering's watchdog can interrupt: a call made by a script that has a timeout. */
const watched = createContext({ job: undefined as (() => unknown) | undefined });
const runWatched = new Script('job()');

export class ChatTemplate {
  private readonly program: Template['parsed'];

  /**
   * @param source the Jinja text.
   * @param file where it comes from, for messages.
   * @param now the instant of `strftime_now`, the same for every rendering.
   * @param deadlineMs longest time of one rendering.
   * @throws InputError `chat-template-invalid`
   */
  constructor(
    readonly source: string,
    private readonly file: string,
    private readonly now: Date,
    private readonly deadlineMs: number = RENDER_DEADLINE_MS,
  ) {
    if (source.length > MAX_TEMPLATE_LENGTH) {
      throw this.invalid(`${source.length} characters; at most ${MAX_TEMPLATE_LENGTH}`);
    }
    try {
      this.program = new Template(source).parsed;
    } catch (error) {
      throw this.invalid((error as Error).message);
    }
  }

  /** Whether the rendered text may depend on the date. */
  get readsClock(): boolean {
    return this.source.includes('strftime_now');
  }

  /**
   * Renders with exactly these variables. Bounded: time ({@link RENDER_DEADLINE_MS}), the length of the result, and the length of a
   * `range`. Not bounded: the memory of lists a template builds by doubling until the deadline.
   * @throws TemplateRefusal if the template raises an exception or fails on these variables.
   * @throws InputError `chat-template-runaway` if a limit is passed.
   */
  render(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...this.globals(), ...variables })) {
      environment.set(name, value);
    }
    const text = this.watch(() => new Interpreter(environment).run(this.program).value);
    if (typeof text !== 'string') throw new TemplateRefusal('the template gave no text');
    if (text.length > MAX_RENDERED_LENGTH) throw this.runaway(`a text of ${text.length} characters`);
    return text;
  }

  /** The library declares these inside `Template.render`, where they cannot be replaced; hence the whole set here. */
  private globals(): Record<string, unknown> {
    return {
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      raise_exception: (message: unknown) => {
        throw new TemplateRefusal(String(message));
      },
      range: (start: number, stop?: number, step?: number) => boundedRange(start, stop, step),
      strftime_now: (format: string) => strftime(this.now, format),
    };
  }

  private watch(job: () => unknown): unknown {
    watched['job'] = job;
    try {
      return runWatched.runInContext(watched, { timeout: this.deadlineMs });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
        throw this.runaway(`no result after ${this.deadlineMs} ms`);
      }
      if (error instanceof TemplateRefusal) throw error;
      throw new TemplateRefusal((error as Error).message);
    } finally {
      watched['job'] = undefined;
    }
  }

  private invalid(found: string): InputError {
    return new InputError('chat-template-invalid', 'the chat template cannot be read', {
      file: this.file,
      found,
      hint: 'give a working template of the same model family instead',
    });
  }

  private runaway(found: string): InputError {
    return new InputError('chat-template-runaway', 'the chat template passes the limits of a rendering', {
      file: this.file,
      found,
      hint: 'do not use this template unless you trust where it comes from',
    });
  }
}

function boundedRange(start: number, stop: number | undefined, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new TemplateRefusal('range() with step 0');
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (!(length <= MAX_RANGE)) throw new TemplateRefusal(`range() of ${length} numbers`);
  return Array.from({ length }, (_, i) => from + i * step);
}

/**
 * A chat template: Jinja text that renders messages, run by `@huggingface/jinja`. Templates come with models and are
 * programs of strangers, so a rendering has a time limit and its text a length limit.
 */
import { Environment, Template } from '@huggingface/jinja';
import { InputError } from '@selective-dpo/foundation';
import { BoundedInterpreter, TemplateRunaway } from './bounded-interpreter.js';
import { strftime } from './strftime.js';

/** Longest text of a template, in UTF-16 units. The longest seen is about 20,000. */
export const MAX_TEMPLATE_LENGTH = 1 << 18;
/** Longest run of blanks in a template: the library's patterns take time that grows with its square. */
export const MAX_BLANK_RUN = 1000;
/** Longest time one rendering may take, in milliseconds. */
export const RENDER_DEADLINE_MS = 10_000;
const MAX_RANGE = 1 << 16;

/** The template refused these messages (`raise_exception`), or they broke it. A matter of the row, not of the run. */
export class TemplateRefusal extends Error {
  override readonly name = 'TemplateRefusal';
}

export class ChatTemplate {
  private readonly program: unknown;

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
    if (hasLongBlankRun(source)) throw this.invalid(`more than ${MAX_BLANK_RUN} blanks in a row`);
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
   * Renders with exactly these variables. Bounded: time ({@link RENDER_DEADLINE_MS}), and the length of every text,
   * list and `range` on the way. Not bounded: one single operation of the library on values within those lengths.
   * @throws TemplateRefusal if the template raises an exception or fails on these variables.
   * @throws InputError `chat-template-runaway` if a limit is passed.
   */
  render(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...this.globals(), ...variables })) {
      environment.set(name, value);
    }
    try {
      return String(new BoundedInterpreter(environment, this.deadlineMs).run(this.program).value);
    } catch (error) {
      if (error instanceof TemplateRunaway) throw this.runaway(error.message);
      if (error instanceof TemplateRefusal) throw error;
      throw new TemplateRefusal((error as Error).message, { cause: error });
    }
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

function hasLongBlankRun(source: string): boolean {
  let run = 0;
  for (const character of source) {
    run = character.trim() === '' ? run + 1 : 0;
    if (run > MAX_BLANK_RUN) return true;
  }
  return false;
}

function boundedRange(start: number, stop: number | undefined, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new TemplateRefusal('range() with step 0');
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (!(length <= MAX_RANGE)) throw new TemplateRefusal(`range() of ${length} numbers`);
  return Array.from({ length }, (_, i) => from + i * step);
}

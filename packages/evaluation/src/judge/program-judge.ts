/** A module of the user's as judge. It runs in this process, with all of the user's rights: it is trusted like this program. */
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError, sha256OfFile } from '@selective-dpo/foundation';
import { JudgeFailure, type Judge, type JudgeRequest } from './judge.js';

/** What a module's default export is given: the request, and for one turn the plain texts. */
export interface ProgramRequest extends JudgeRequest {
  /** The last turn of the user. */
  question: string;
  /** `pairwise`: the last answers of both. */
  answerA?: string | undefined;
  answerB?: string | undefined;
  /** `single`: the answer that is judged. */
  answer?: string | undefined;
  signal: AbortSignal;
}

type ProgramFunction = (request: ProgramRequest) => unknown;

/**
 * Loads a module whose default export is a function from {@link ProgramRequest} to a text (or a promise of one).
 * @throws InputError `judge-program`, or those of the file.
 */
export async function loadProgramJudge(file: string, timeoutMs = 120_000): Promise<Judge> {
  const digest = await sha256OfFile(file);
  const refuse = (found: string) =>
    new InputError('judge-program', 'the judge cannot be used', {
      file,
      found,
      expected: 'a module whose default export is a function that gives a verdict as text',
    });
  let loaded: { default?: unknown };
  try {
    loaded = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (typeof loaded.default !== 'function') throw refuse(`a default export that is ${typeof loaded.default}`);
  const judge = loaded.default as ProgramFunction;
  return {
    // Judgments of a module that was changed since are not mixed in.
    name: `${basename(file)}@${digest.slice(0, 12)}`,
    ask: (request, signal) => called(judge, request, signal, timeoutMs),
  };
}

async function called(
  judge: ProgramFunction,
  request: JudgeRequest,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<string> {
  // Not AbortSignal.timeout: a program that waits for nothing would let the process end before that timer.
  const clock = new AbortController();
  const timer = setTimeout(
    () => clock.abort(new JudgeFailure(`no answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  const ended = AbortSignal.any([signal, clock.signal]);
  const question = request.turns[(request.answers ?? request.turns).length - 1] ?? '';
  const given: ProgramRequest = {
    ...structuredClone(request),
    question,
    answerA: request.answersA?.at(-1),
    answerB: request.answersB?.at(-1),
    answer: request.answers?.at(-1),
    signal: ended,
  };
  let text: unknown;
  try {
    text = await Promise.race([Promise.resolve().then(() => judge(given)), rejectionOf(ended)]);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new JudgeFailure(error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
  if (typeof text === 'string') return text;
  throw new JudgeFailure(`it gave a value of type ${typeof text}, not a text`);
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

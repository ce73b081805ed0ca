/** Who judges: a chat endpoint or a program of the user's. Either is asked by messages and answers with a text. */

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** One question put to a judge. The messages say everything; the rest is for programs, which need not read prose. */
export interface JudgeRequest {
  messages: ChatMessage[];
  /** `pairwise`: which of two answers is better. `single`: how good one answer is, from 1 to 10. */
  kind: 'pairwise' | 'single';
  category: string;
  /** What the user said, turn by turn. */
  turns: readonly string[];
  /** Right answers, one a turn, where there are any. */
  references?: readonly string[] | undefined;
  /** `pairwise`: the answers of both, turn by turn. */
  answersA?: readonly string[];
  answersB?: readonly string[];
  /** `single`: the answers up to the turn that is judged. */
  answers?: readonly string[];
}

export interface Judge {
  /** Stands in the judgments; judgments of another judge are not mixed in. */
  readonly name: string;
  /**
   * @returns the judge's text, in which the verdict is looked for.
   * @throws JudgeFailure where this request got no text; InputError where no request will.
   */
  ask(request: JudgeRequest, signal: AbortSignal): Promise<string>;
}

/** One request got no text; others may. The message is for people. */
export class JudgeFailure extends Error {
  override readonly name = 'JudgeFailure';
}

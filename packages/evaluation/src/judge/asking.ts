/** Asking until a text has a verdict in it. */
import type { Judge, JudgeRequest } from './judge.js';

export interface Asked<T> {
  /** What the judge said, all of it. */
  text: string;
  /** undefined where no text had a verdict. */
  value: T | undefined;
}

/**
 * Asks a judge; where its text has no verdict, it is shown that text and asked for the verdict again, `attempts` times in all.
 * @param reminder what it is told then.
 */
export async function askForVerdict<T>(
  judge: Judge,
  request: JudgeRequest,
  read: (text: string) => T | undefined,
  { attempts, reminder, signal }: { attempts: number; reminder: string; signal: AbortSignal },
): Promise<Asked<T>> {
  const messages = [...request.messages];
  const texts: string[] = [];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const text = await judge.ask({ ...request, messages: [...messages] }, signal);
    texts.push(text);
    const value = read(text);
    if (value !== undefined) return { text: texts.join('\n'), value };
    messages.push({ role: 'assistant', content: text }, { role: 'user', content: reminder });
  }
  return { text: texts.join('\n'), value: undefined };
}

/**
 * A chat endpoint that fails and talks nonsense by a script. What it says depends on the prompt alone, so that totals can be
 * known beforehand; how it fails depends on the number of the call.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Message {
  role: string;
  content: string;
}

export interface ScriptedJudge {
  url: string;
  /** Calls that came in, and how many of them were failed on purpose, by kind. */
  calls: number;
  failed: Record<string, number>;
  /** Bodies of all calls, and their authorization headers. */
  bodies: { model: string; messages: Message[] }[];
  keys: (string | undefined)[];
  close(): Promise<void>;
}

export interface Script {
  /** The text for a prompt; `asked` counts the times that the same prompt had no verdict before. */
  verdict(prompt: string, asked: number): string;
  /** Every n-th call fails; 0: none. */
  failEvery?: number;
  /** Milliseconds before an answer. */
  delayMs?: number;
  /** Answers a call in place of the script. Returns whether it did. */
  instead?: (request: IncomingMessage, response: ServerResponse, call: number) => boolean;
}

/** A number from 0 to 2³² − 1 that depends on the text alone. */
export function numberOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

const FAILURES = ['500', '429', 'stall', 'cut', 'no-json'] as const;

export async function startScriptedJudge(script: Script, port = 0): Promise<ScriptedJudge> {
  const judge: ScriptedJudge = {
    ...{ url: '', calls: 0, failed: {}, bodies: [], keys: [] },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      judge.calls++;
      judge.keys.push(request.headers.authorization);
      if (script.instead?.(request, response, judge.calls) === true) return;
      if (script.failEvery !== undefined && judge.calls % script.failEvery === 0) {
        const kind = FAILURES[Math.floor(judge.calls / script.failEvery) % FAILURES.length]!;
        judge.failed[kind] = (judge.failed[kind] ?? 0) + 1;
        fail(kind, response);
        return;
      }
      const body = JSON.parse(text) as { model: string; messages: Message[] };
      judge.bodies.push(body);
      const [, prompt, ...more] = body.messages;
      const content = script.verdict(prompt!.content, more.length / 2);
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content } }] }));
      }, script.delayMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  judge.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return judge;
}

function fail(kind: (typeof FAILURES)[number], response: ServerResponse): void {
  if (kind === '500') response.writeHead(500).end('out of order');
  else if (kind === '429') response.writeHead(429, { 'retry-after': '0' }).end('slow down');
  else if (kind === 'no-json') response.writeHead(200).end('<html>not JSON</html>');
  else if (kind === 'cut') {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"choices": [');
    setTimeout(() => response.destroy(), 5);
  }
  // A stall: nothing is ever answered.
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}

const LABELS = ['[[A>>B]]', '[[A>B]]', '[[A=B]]', '[[B>A]]', '[[B>>A]]'] as const;

/** What the judge thinks in the end of a prompt: undefined where it never says. One in 40 is so. */
export function opinionOf(prompt: string): (typeof LABELS)[number] | undefined {
  const number = numberOf(prompt);
  return number % 40 === 0 ? undefined : LABELS[Math.floor(number / 40) % 5]!;
}

/** One in ten prompts gets nonsense first. */
export function flakyVerdict(prompt: string, asked: number): string {
  const opinion = opinionOf(prompt);
  const nonsense = opinion === undefined || (asked === 0 && numberOf(`${prompt}?`) % 10 === 0);
  return nonsense ? 'Well [[hm]], both [A] and [[B]] … [[A>>>B]] [[]]' : `I have thought. ${opinion}`;
}

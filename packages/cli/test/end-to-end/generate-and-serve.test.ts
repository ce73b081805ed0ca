import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

const POLICY = join(demo, 'policy');
const MODEL = ['--model', POLICY, '--engine', 'wasm'];
const ORDER = 'Two salads, please.';

/** What a command given this on standard input writes. */
function withInput(args: string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(stdout));
    child.stdin.end(input);
  });
}

describe('sdpo generate', () => {
  it('writes one answer to standard output, and the same from standard input and as JSON', async () => {
    const plain = await sdpo(['generate', ...MODEL, '--prompt', ORDER]);
    expect([plain.code, plain.stderr]).toEqual([0, '']);
    expect(plain.stdout.trim().split('\n')).toHaveLength(1);
    expect(plain.stdout.length).toBeGreaterThan(20);
    expect(await withInput(['generate', ...MODEL], `${ORDER}\n`)).toBe(plain.stdout);
    const { stdout } = await sdpo(['generate', ...MODEL, '--prompt', ORDER, '--json']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(`${events.find(({ type }) => type === 'answer')!['text']}\n`).toBe(plain.stdout);
    expect(events.at(-1)).toMatchObject({ type: 'result', answers: 1 });
    // Negative control: as it stands, and not as a guest's words, the text goes on otherwise.
    const completed = await sdpo([
      'generate',
      ...MODEL,
      '--prompt',
      ORDER,
      '--completion',
      '--max-new-tokens',
      '20',
    ]);
    expect(completed.stdout).not.toBe(plain.stdout);
  });

  it('answers a file of prompts into a file, and goes on with it', async () => {
    const folder = await freshFolder();
    const [prompts, out] = [join(folder, 'prompts.jsonl'), join(folder, 'answers.jsonl')];
    await writeFile(
      prompts,
      `${JSON.stringify({ prompt: ORDER })}\n${JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }] })}\n`,
    );
    const args = ['generate', ...MODEL, '--prompts', prompts, '--out', out, '--max-new-tokens', '12'];
    const first = await sdpo(args);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('2 prompts answered, ');
    const bytes = await readFile(out, 'utf8');
    await writeFile(out, bytes.slice(0, bytes.indexOf('\n') + 10));
    expect((await sdpo(args)).stdout).toContain('2 prompts answered, 1 of them before');
    expect(await readFile(out, 'utf8')).toBe(bytes);
    const other = await sdpo([...args, '--temperature', '1']);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining('another model, prompt or setting'),
    ]);
  });

  it('says everything that is wrong with its options at once', async () => {
    const { code, stderr } = await sdpo([
      ...[
        'generate',
        '--prompt',
        'a',
        '--prompts',
        'b',
        '--top-p',
        '2',
        '--temperature',
        '-1',
        '--completion',
        '--chat',
      ],
      ...['--max-new-tokens', '0', '--engine', 'abacus'],
    ]);
    expect(code).toBe(2);
    for (const flag of [
      '--model',
      '--prompt',
      '--top-p',
      '--temperature',
      '--completion',
      '--max-new-tokens',
      '--engine',
    ]) {
      expect(stderr).toContain(`field ${flag}: `);
    }
    expect(stderr).not.toContain('    at ');
  });
});

describe('sdpo serve', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('answers, and ends with exit code 0 on %s', async (signal) => {
    const args = ['serve', ...MODEL, '--port', '0', '--model-id', 'cafe', '--json'];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    const listening = new Promise<string>((resolve) =>
      child.stdout.on('data', (piece: Buffer) => {
        stdout += piece.toString();
        const url = /"url":"([^"]+)"/.exec(stdout)?.[1];
        if (url !== undefined) resolve(url);
      }),
    );
    const url = await listening;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    const response = await fetch(`${url}/chat/completions`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ model: 'cafe', messages: [{ role: 'user', content: ORDER }], temperature: 0 }),
    });
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    expect(choices[0]!.message.content.length).toBeGreaterThan(10);
    const code = new Promise((resolve) => child.on('close', resolve));
    child.kill(signal);
    expect(await code).toBe(0);
    expect(stdout).toContain('"type":"closed"');
    expect(stdout).toContain('"path":"/v1/chat/completions","status":200');
  });

  it('says what is wrong with an address that is taken or no address', async () => {
    const { code, stderr } = await sdpo(['serve', ...MODEL, '--host', '203.0.113.7', '--port', '0']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('is no address of this machine')]);
  });
});

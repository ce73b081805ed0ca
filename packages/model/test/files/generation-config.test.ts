import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputErrors } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { GENERATION_CONFIG_FILE, readGenerationConfig } from '../../src/files/index.js';
import { temporaryFolder } from './model-fixture.js';

async function folderWith(content: unknown): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, GENERATION_CONFIG_FILE), JSON.stringify(content));
  return folder;
}

describe('readGenerationConfig', () => {
  it('reads what transformers writes, several end tokens too, and names what is not supported', async () => {
    const folder = await folderWith({
      ...{ do_sample: true, temperature: 0.6, top_p: 0.9, top_k: 20, eos_token_id: [128001, 128009] },
      ...{ repetition_penalty: 1.1, num_beams: 1, pad_token_id: 0, transformers_version: '5' },
    });
    expect(await readGenerationConfig(folder)).toEqual({
      ...{ doSample: true, temperature: 0.6, topP: 0.9, topK: 20, maxNewTokens: undefined },
      ...{ eosTokenIds: [128001, 128009], stopStrings: [], ignored: { repetition_penalty: 1.1 } },
    });
  });

  it('passes over settings that do nothing, and names those that would', async () => {
    const folder = await folderWith({ bad_words_ids: [], num_beams: 1, suppress_tokens: [3] });
    expect((await readGenerationConfig(folder)).ignored).toEqual({ suppress_tokens: [3] });
  });

  it('is empty where there is no file', async () => {
    const config = await readGenerationConfig(await temporaryFolder());
    expect(config).toMatchObject({ doSample: false, eosTokenIds: [], ignored: {} });
  });

  it('reports every value that is not allowed at once', async () => {
    const folder = await folderWith({
      temperature: -1,
      top_p: 0,
      top_k: 1.5,
      eos_token_id: ['2'],
      do_sample: 1,
    });
    const error = await readGenerationConfig(folder).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(InputErrors);
    const fields = (error as InputErrors).problems.map(({ details }) => details.field);
    expect(fields.sort()).toEqual(['do_sample', 'eos_token_id', 'temperature', 'top_k', 'top_p']);
  });
});

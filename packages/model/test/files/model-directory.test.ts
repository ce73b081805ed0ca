import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkTensors,
  openWeights,
  readModelConfig,
  writeModelDirectory,
  type JsonObject,
  type ModelDirectoryContent,
} from '../../src/files/index.js';
import { problemsOf, randomTensors, temporaryFolder, tinyConfig } from './model-fixture.js';
import { sharedIsAbsent, sharedModel } from './shared-data.js';

async function content(changes: Partial<ModelDirectoryContent> = {}): Promise<ModelDirectoryContent> {
  const sourceDir = await temporaryFolder();
  await writeFile(join(sourceDir, 'tokenizer.json'), '{"version":"1.0"}');
  await writeFile(join(sourceDir, 'generation_config.json'), '{"eos_token_id":2}');
  await writeFile(join(sourceDir, 'optimizer.bin'), 'not for the model');
  await mkdir(join(sourceDir, 'vocab.json'));
  const config = { ...tinyConfig, torch_dtype: 'float16' };
  return { config, tensors: randomTensors(tinyConfig), sourceDir, modelCard: '# Model\n', ...changes };
}

const target = async (): Promise<string> => join(await temporaryFolder(), 'runs', 'final');
const readConfig = async (folder: string): Promise<JsonObject> =>
  JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as JsonObject;

describe('writeModelDirectory', () => {
  it('writes a directory that reads back bit by bit', async () => {
    const folder = await target();
    await writeModelDirectory(folder, await content());
    expect((await readdir(folder)).sort()).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(await readConfig(folder)).toEqual({ ...tinyConfig, torch_dtype: 'float32' });
    const weights = await openWeights(folder);
    expect(await checkTensors(weights, await readModelConfig(folder))).toEqual({ ignored: [] });
    for (const { name, data } of randomTensors(tinyConfig))
      expect(await weights.read(name)).toEqual(await data());
    await weights.close();
  });

  it('writes shards with an index, and the dtype under the key that the file used', async () => {
    const folder = await target();
    const config = { ...tinyConfig, dtype: 'float32' };
    await writeModelDirectory(folder, await content({ config, dtype: 'BF16', maxShardBytes: 500 }));
    const names = (await readdir(folder)).filter((name) => name.includes('safetensors')).sort();
    expect(names.at(-1)).toBe('model.safetensors.index.json');
    expect(names[0]).toBe(`model-00001-of-0000${names.length - 1}.safetensors`);
    const index = JSON.parse(await readFile(join(folder, names.at(-1)!), 'utf8')) as { metadata: JsonObject };
    const bytes = randomTensors(tinyConfig).reduce(
      (n, { shape }) => n + 2 * shape.reduce((a, b) => a * b, 1),
      0,
    );
    expect(index.metadata).toEqual({ total_parameters: bytes / 2, total_size: bytes });
    expect(await readConfig(folder)).toEqual({ ...tinyConfig, dtype: 'bfloat16' });
    const weights = await openWeights(folder);
    expect(weights.info('model.norm.weight').dtype).toBe('BF16');
    await weights.close();
  });

  it('replaces a model that was written there before, files of the old one included', async () => {
    const folder = await target();
    await writeModelDirectory(folder, await content({ maxShardBytes: 500 }));
    await writeModelDirectory(folder, await content());
    expect((await readdir(folder)).filter((name) => name.includes('safetensors'))).toEqual([
      'model.safetensors',
    ]);
  });

  it('does not touch a folder with other files in it', async () => {
    const folder = await target();
    await writeModelDirectory(folder, await content());
    await writeFile(join(folder, 'thesis.tex'), 'years of work');
    expect(await problemsOf(async () => writeModelDirectory(folder, await content()))).toMatchObject([
      { code: 'folder-in-use', details: { found: '"thesis.tex"' } },
    ]);
    expect(await readFile(join(folder, 'thesis.tex'), 'utf8')).toBe('years of work');
  });

  it('does not replace the model it copies from', async () => {
    const folder = await target();
    await writeModelDirectory(folder, await content());
    const again = await content({ sourceDir: folder });
    expect(await problemsOf(() => writeModelDirectory(folder, again))).toMatchObject([
      { code: 'would-replace-source' },
    ]);
  });

  it('leaves the old model in place when a tensor cannot be made', async () => {
    const folder = await target();
    await writeModelDirectory(folder, await content());
    const before = await readFile(join(folder, 'model.safetensors'));
    const tensors = randomTensors(tinyConfig, 2);
    tensors[3] = { ...tensors[3]!, data: () => Promise.reject(new Error('out of memory')) };
    await expect(writeModelDirectory(folder, await content({ tensors }))).rejects.toThrow('out of memory');
    expect((await readFile(join(folder, 'model.safetensors'))).equals(before)).toBe(true);
    expect(await readdir(join(folder, '..'))).toEqual(['final']);
  });

  it('reports tensors that are not those of the configuration before writing anything', async () => {
    const folder = await target();
    const tensors = randomTensors(tinyConfig);
    const wrong = [tensors[0]!, tensors[0]!, { ...tensors[1]!, shape: [9] }, ...tensors.slice(3)];
    const problems = await problemsOf(async () =>
      writeModelDirectory(folder, await content({ tensors: wrong })),
    );
    expect(problems.map((p) => p.code)).toEqual(['tensor-unexpected', 'tensor-shape', 'tensor-missing']);
    await expect(readdir(folder)).rejects.toThrow('ENOENT');
  });
});

describe.skipIf(sharedIsAbsent)('real models (skipped where the shared test data are absent)', () => {
  it('copies a model with its tokenizer', async () => {
    const [source, folder] = [sharedModel('stories260K-sharded'), await target()];
    const weights = await openWeights(source);
    const tensors = weights.names().map((name) => {
      return { name, shape: weights.info(name).shape, data: () => weights.read(name) };
    });
    const { raw } = await readModelConfig(source);
    await writeModelDirectory(folder, { config: raw, tensors, sourceDir: source, modelCard: '# Copy\n' });
    const original = await openWeights(sharedModel('stories260K'));
    const copy = await openWeights(folder);
    for (const name of original.names()) expect(await copy.read(name)).toEqual(await original.read(name));
    const tokenizer = 'tokenizer.json';
    expect((await readFile(join(folder, tokenizer))).equals(await readFile(join(source, tokenizer)))).toBe(
      true,
    );
    await Promise.all([weights.close(), original.close(), copy.close()]);
  });
});

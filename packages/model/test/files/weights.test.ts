import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256, sha256OfFile } from '@selective-dpo/foundation';
import {
  checkTensors,
  expectedTensors,
  openWeights,
  parseModelConfig,
  readModelConfig,
  writeSafetensors,
  writeWeights,
  type JsonObject,
  type TensorSource,
} from '../../src/files/index.js';
import { problemsOf, randomTensors, temporaryFolder, tinyConfig } from './model-fixture.js';
import { sharedIsAbsent, sharedModel } from './shared-data.js';

const INDEX = 'model.safetensors.index.json';
const codes = async (call: () => unknown): Promise<string[]> => (await problemsOf(call)).map((p) => p.code);

async function shardedFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await writeWeights(folder, randomTensors(tinyConfig), { maxShardBytes: 1000 });
  return folder;
}

async function editIndex(folder: string, edit: (map: Record<string, string>) => void): Promise<void> {
  const index = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as {
    weight_map: Record<string, string>;
  };
  edit(index.weight_map);
  await writeFile(join(folder, INDEX), JSON.stringify(index));
}

describe('openWeights', () => {
  it('reads the same values out of one file and out of shards', async () => {
    const single = await temporaryFolder();
    expect(await writeWeights(single, randomTensors(tinyConfig))).toEqual(['model.safetensors']);
    const [one, many] = [await openWeights(single), await openWeights(await shardedFolder())];
    expect(many.names().sort()).toEqual(one.names().sort());
    for (const name of one.names()) expect(await many.read(name)).toEqual(await one.read(name));
    expect(new Set(many.names().map((name) => many.pathOf(name))).size).toBeGreaterThan(2);
    await one.close();
    await many.close();
  });

  it('follows the links of a download cache', async () => {
    const folder = await shardedFolder();
    const linked = await temporaryFolder();
    const map = (JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as { weight_map: JsonObject })
      .weight_map;
    for (const name of [INDEX, ...new Set(Object.values(map) as string[])]) {
      await symlink(join(folder, name), join(linked, name));
    }
    const weights = await openWeights(linked);
    expect(weights.names().length).toBe(Object.keys(map).length);
    await weights.close();
  });

  it.each<[string, (map: Record<string, string>) => void, string]>([
    [
      'leads out of the folder',
      (map) => (map['model.norm.weight'] = '../x.safetensors'),
      'path-outside-folder',
    ],
    [
      'names a file by its place on the disk',
      (map) => (map['model.norm.weight'] = '/etc/passwd'),
      'path-outside-folder',
    ],
    [
      'leads out of the folder as Windows writes it',
      (map) => (map['model.norm.weight'] = '..\\x.safetensors'),
      'path-outside-folder',
    ],
    ['has a zero in a name', (map) => (map['model.norm.weight'] = 'x\0.safetensors'), 'path-outside-folder'],
    ['names a file that is absent', (map) => (map['model.norm.weight'] = 'x.safetensors'), 'file-not-found'],
    ['names a tensor that is absent', (map) => (map['x'] = map['model.norm.weight']!), 'weights-index'],
    ['leaves a tensor out', (map) => delete map['model.norm.weight'], 'weights-index'],
    [
      'names the wrong file',
      (map) => (map['model.norm.weight'] = map['model.embed_tokens.weight']!),
      'weights-index',
    ],
  ])('refuses an index that %s', async (_, edit, code) => {
    const folder = await shardedFolder();
    await (await openWeights(folder)).close();
    await editIndex(folder, edit);
    expect(new Set(await codes(() => openWeights(folder)))).toEqual(new Set([code]));
  });

  it('refuses a tensor that stands in two files', async () => {
    const folder = await shardedFolder();
    const weights = await openWeights(folder);
    const last = weights.pathOf('model.norm.weight');
    await weights.close();
    const extra = randomTensors(tinyConfig).filter(({ name }) => /norm.weight|embed/.test(name));
    await writeSafetensors(last, extra);
    const problems = await problemsOf(() => openWeights(folder));
    expect(problems.some((p) => p.message.includes('two files'))).toBe(true);
  });

  it.each([
    ['no map', '{"metadata":{}}'],
    ['an empty map', '{"weight_map":{}}'],
    ['a map to numbers', '{"weight_map":{"a":1}}'],
    ['a list', '[]'],
  ])('refuses an index with %s', async (_, text) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, INDEX), text);
    expect(await codes(() => openWeights(folder))).toEqual(['weights-index']);
  });

  it('says what to do about other formats, and about an empty folder', async () => {
    const folder = await temporaryFolder();
    expect(await codes(() => openWeights(folder))).toEqual(['weights-missing']);
    await writeFile(join(folder, 'pytorch_model.bin'), '');
    const [problem] = await problemsOf(() => openWeights(folder));
    expect(problem).toMatchObject({ code: 'weights-format', details: { found: 'pytorch_model.bin' } });
    expect(problem!.details.hint).toMatch(/convert .* safetensors/);
    expect(await codes(() => openWeights(join(folder, 'none')))).toEqual(['file-not-found']);
  });
});

describe('digest', () => {
  it('is that of the file, of the shards in order, and changes with any byte', async () => {
    const folder = await shardedFolder();
    const weights = await openWeights(folder);
    const paths = [...new Set(weights.names().map((name) => weights.pathOf(name)))].sort();
    const bytes = await Promise.all(paths.map((path) => readFile(path)));
    expect(await weights.digest()).toBe(sha256(Buffer.concat(bytes)));
    const changed = Buffer.from(bytes[1]!);
    changed[changed.length - 1]! ^= 1;
    await writeFile(paths[1]!, changed);
    expect(await weights.digest()).not.toBe(sha256(Buffer.concat(bytes)));
    await weights.close();
  });
});

describe('checkTensors', () => {
  const check = async (config: JsonObject, tensors: TensorSource[]): Promise<unknown> => {
    const folder = await temporaryFolder();
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    const weights = await openWeights(folder);
    try {
      return await checkTensors(weights, parseModelConfig(config, 'config.json'));
    } finally {
      await weights.close();
    }
  };
  const extra = (name: string, shape: number[], fill = 0): TensorSource => {
    return { name, shape, data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill) };
  };

  it('accepts a model, and what older programs stored beside it', async () => {
    const tensors = randomTensors(tinyConfig);
    expect(await check(tinyConfig, tensors)).toEqual({ ignored: [] });
    const frequencies = 'model.layers.0.self_attn.rotary_emb.inv_freq';
    const head = { ...tensors[0]!, name: 'lm_head.weight' };
    expect(await check(tinyConfig, [...tensors, extra(frequencies, [2]), head])).toEqual({
      ignored: ['lm_head.weight', frequencies],
    });
  });

  it('refuses a tied head that is not the embedding', async () => {
    const head = extra('lm_head.weight', [10, 8], 1);
    expect(await codes(() => check(tinyConfig, [...randomTensors(tinyConfig), head]))).toEqual([
      'tensor-tied',
    ]);
    const short = extra('lm_head.weight', [9, 8], 1);
    expect(await codes(() => check(tinyConfig, [...randomTensors(tinyConfig), short]))).toEqual([
      'tensor-shape',
    ]);
  });

  it('reports everything that is missing, too much or of another shape at once', async () => {
    const tensors = randomTensors(tinyConfig).filter(({ name }) => name !== 'model.norm.weight');
    tensors[0] = extra('model.embed_tokens.weight', [8, 10]);
    tensors.push(extra('model.layers.0.self_attn.q_proj.lora_A.weight', [1, 8]));
    expect((await codes(() => check(tinyConfig, tensors))).sort()).toEqual([
      'tensor-missing',
      'tensor-shape',
      'tensor-unexpected',
    ]);
  });

  it('needs a head unless it is tied', async () => {
    const untied = { ...tinyConfig, tie_word_embeddings: false };
    expect(await codes(() => check(untied, randomTensors(tinyConfig)))).toEqual(['tensor-missing']);
    expect(await check(untied, randomTensors(untied))).toEqual({ ignored: [] });
  });

  it('lists at most 50 problems and counts the rest', async () => {
    const many = { ...tinyConfig, num_hidden_layers: 8 };
    const problems = await problemsOf(() => check(many, randomTensors(tinyConfig)));
    expect(problems.length).toBe(50);
    expect(problems[49]!.message).toMatch(/and 4 more problems/);
  });
});

describe('expectedTensors', () => {
  const names = (changes: JsonObject): string[] => [
    ...expectedTensors(parseModelConfig({ ...tinyConfig, ...changes }, 'config.json')).keys(),
  ];
  const biased = (changes: JsonObject): string[] =>
    names({ ...changes, num_hidden_layers: 1 })
      .filter((name) => name.endsWith('.bias'))
      .map((name) => name.split('.').at(-2)!);

  it('has biases where the family has them', () => {
    const qwen = { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' };
    expect(biased({})).toEqual([]);
    expect(biased({ attention_bias: true })).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
    expect(biased({ mlp_bias: true })).toEqual(['gate_proj', 'up_proj', 'down_proj']);
    expect(biased(qwen)).toEqual(['q_proj', 'k_proj', 'v_proj']);
  });

  it('has shapes [out, in], with heads that need not fill the hidden size', () => {
    const shapes = expectedTensors(parseModelConfig({ ...tinyConfig, head_dim: 6 }, 'config.json'));
    expect(shapes.get('model.layers.1.self_attn.q_proj.weight')).toEqual([12, 8]);
    expect(shapes.get('model.layers.1.self_attn.k_proj.weight')).toEqual([6, 8]);
    expect(shapes.get('model.layers.1.self_attn.o_proj.weight')).toEqual([8, 12]);
    expect(shapes.get('model.layers.1.mlp.down_proj.weight')).toEqual([8, 12]);
  });
});

describe.skipIf(sharedIsAbsent)('real models (skipped where the shared test data are absent)', () => {
  it('has the tensors that its configuration asks for', async () => {
    for (const name of ['stories260K', 'stories260K-sharded', 'stories260K-f16', 'stories260K-dpo']) {
      const [weights, config] = [
        await openWeights(sharedModel(name)),
        await readModelConfig(sharedModel(name)),
      ];
      expect(await checkTensors(weights, config)).toEqual({ ignored: [] });
      const count = [...expectedTensors(config).values()].reduce(
        (n, s) => n + s.reduce((a, b) => a * b, 1),
        0,
      );
      expect(count).toBe(260_032);
      await weights.close();
    }
  });

  it('is the same in one file and in shards, and within half a step of float16 in float16', async () => {
    const [one, many, half] = await Promise.all(
      ['stories260K', 'stories260K-sharded', 'stories260K-f16'].map((name) => openWeights(sharedModel(name))),
    );
    let changed = 0;
    for (const name of one!.names()) {
      const exact = await one!.read(name);
      expect(await many!.read(name)).toEqual(exact);
      const rounded = await half!.read(name);
      for (const [i, value] of exact.entries()) {
        const tolerance = Math.max(Math.abs(value) * 2 ** -11, 2 ** -25);
        if (!(Math.abs(rounded[i]! - value) <= tolerance))
          expect.fail(`${name}[${i}]: ${value}, ${rounded[i]}`);
        if (rounded[i] !== value) changed++;
      }
    }
    expect(changed).toBeGreaterThan(100_000);
    expect(await one!.digest()).toBe(await sha256OfFile(join(one!.directory, 'model.safetensors')));
    await Promise.all([one!.close(), many!.close(), half!.close()]);
  });

  it('is rounded to float16 here exactly as torch rounded it', async () => {
    const [one, half] = [
      await openWeights(sharedModel('stories260K')),
      await openWeights(sharedModel('stories260K-f16')),
    ];
    const folder = await temporaryFolder();
    const sources = one.names().map((name) => {
      return { name, shape: one.info(name).shape, data: () => one.read(name) };
    });
    await writeWeights(folder, sources, { dtype: 'F16' });
    const written = await openWeights(folder);
    for (const name of half.names()) expect(await written.read(name)).toEqual(await half.read(name));
    await Promise.all([one.close(), half.close(), written.close()]);
  });

  it('is refused once a byte is missing', async () => {
    const folder = await temporaryFolder();
    await cp(sharedModel('stories260K'), folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    const bytes = await readFile(path);
    await rm(path, { force: true });
    await writeFile(path, bytes.subarray(0, -1));
    expect(await codes(() => openWeights(folder))).toEqual(['safetensors-truncated']);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { engineInfo } from '../../src/engine/index.js';
import { measureMatMul } from '../../src/engine/matmul-probe.js';

const empty = mkdtempSync(join(tmpdir(), 'sdpo-info-'));
const before = process.env['SELECTIVE_DPO_ENGINE_DIR'];
process.env['SELECTIVE_DPO_ENGINE_DIR'] = empty;
afterAll(() => {
  if (before === undefined) delete process.env['SELECTIVE_DPO_ENGINE_DIR'];
  else process.env['SELECTIVE_DPO_ENGINE_DIR'] = before;
  rmSync(empty, { recursive: true });
});

describe('engine info', () => {
  it('measures what is there, and says what to do for what is not', async () => {
    const info = await engineInfo();
    expect(info.engines.map((engine) => engine.name)).toEqual(['tensorflow', 'webgpu', 'wasm', 'cpu']);
    const [tensorflow, webgpu, wasm, cpu] = info.engines;
    expect(tensorflow).toEqual({
      name: 'tensorflow',
      available: false,
      problem: 'the TensorFlow engine is not installed',
      hint: 'install it with: sdpo engine install',
    });
    expect(wasm).toMatchObject({ available: true, versions: 'tfjs wasm 4.22.0' });
    const speeds = [wasm, cpu].map((engine) => (engine!.available ? engine!.gflops! : 0));
    expect(speeds[1]).toBeGreaterThan(0.01);
    expect(speeds[0]).toBeGreaterThan(speeds[1]!);
    if (webgpu!.available) {
      expect(webgpu).toMatchObject({
        versions: 'tfjs webgpu 4.22.0',
        adapter: { name: expect.stringMatching(/./) as string },
      });
      expect(webgpu!.gflops).toBeGreaterThan(0.01);
    } else {
      expect(webgpu!.problem).toMatch(/webgpu|adapter/i);
      expect(webgpu!.hint).toMatch(/install/);
    }
    expect(info.auto).toBe(webgpu!.available && webgpu!.adapter?.software === false ? 'webgpu' : 'wasm');
    expect(info.cores).toBeGreaterThanOrEqual(1);
    expect(info.memoryBytes).toBeGreaterThan(2 ** 28);
  });

  it('turns an engine that cannot load into a problem, not into its own end', async () => {
    const nothing = join(empty, 'nothing.node');
    const probe = measureMatMul({
      engine: 'tensorflow',
      precision: 'fp32',
      modules: { preload: nothing, binding: nothing },
    });
    await expect(probe).rejects.toMatchObject({
      code: 'engine-not-available',
      details: { hint: 'install it anew with: sdpo engine install' },
    });
  });
});

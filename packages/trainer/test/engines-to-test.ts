import { installedEngine, type EngineName } from '@selective-dpo/model';

const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('tensorflow');

/** The engines to test on this machine: `tensorflow` only where it is installed, or where it is required. */
export function enginesToTest(...names: EngineName[]): EngineName[] {
  return names.filter((name) => name !== 'tensorflow' || required || installedEngine() !== undefined);
}

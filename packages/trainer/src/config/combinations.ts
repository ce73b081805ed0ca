/** Settings that make sense alone but not together. */
import { InputError } from '@selective-dpo/foundation';
import { trainingConfigSchema, type TrainingConfig, type TrainingKey } from './training-config.js';

/** A setting that another one gives no meaning. */
export interface CombinationProblem {
  key: TrainingKey;
  expected: string;
}

/** What does not go together in a configuration, all of it. */
export function combinationProblems(config: TrainingConfig): CombinationProblem[] {
  const { loss, selection, selectionFrom } = config;
  const problems: CombinationProblem[] = [];
  const only = (key: TrainingKey, wrong: boolean, expected: string): void => {
    if (wrong) problems.push({ key, expected });
  };
  const preference = loss === 'sigmoid' || loss === 'ipo';
  only('labelSmoothing', config.labelSmoothing > 0 && loss !== 'sigmoid', `0 with loss=${loss}`);
  only('rpoAlpha', config.rpoAlpha > 0 && !preference, `0 with loss=${loss}`);
  only('lengthNormalization', config.lengthNormalization && !preference, `false with loss=${loss}`);
  const distilling = loss === 'distillation';
  only('distillationTopN', config.distillationTopN > 0 && !distilling, `0 with loss=${loss}`);
  only('distillationRest', config.distillationRest !== 'bucket' && !distilling, `bucket with loss=${loss}`);
  only('refTrust', config.refTrust !== 'ignore' && !preference, `ignore with loss=${loss}`);
  const scale = trainingConfigSchema.shape.refTrustScale.parse(undefined);
  only(
    'refTrustScale',
    config.refTrustScale !== scale && config.refTrust !== 'weight',
    `${scale} with refTrust=${config.refTrust}`,
  );
  only(
    'selectionFrom',
    selectionFrom === 'initial' && (selection === 'all' || selection === 'batch'),
    selection === 'all'
      ? 'policy with selection=all, which keeps everything'
      : 'policy with selection=batch, which depends on what stands in a batch',
  );
  return problems;
}

/** As errors. @param placeOf where a setting was written. */
export function combinationErrors(
  config: TrainingConfig,
  placeOf: (key: TrainingKey) => { file?: string; line?: number } = () => ({}),
): InputError[] {
  return combinationProblems(config).map(
    ({ key, expected }) =>
      new InputError('config-combination', `${key} has no meaning beside another setting`, {
        ...placeOf(key),
        field: key,
        found: String(config[key]),
        expected,
      }),
  );
}

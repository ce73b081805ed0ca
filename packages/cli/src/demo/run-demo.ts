/**
 * The whole method on what the package carries, from the outside: score with the reference, verify the cache, look at
 * what is selected, train Selective-DPO and plain DPO, compare them on held-out orders.
 */
import { join } from 'node:path';
import { Interrupted, makeFolder, publishBytes } from '@selective-dpo/foundation';
import { CacheReader, loadPairTokenizer, verifyCache, type PairTokenizer } from '@selective-dpo/data';
import { CausalLM, openEngine, type EngineName } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { train } from '@selective-dpo/trainer';
import type { ConsoleWriter } from '../console/console-writer.js';
import { formatBytes, formatDuration, twoColumns } from '../console/format.js';
import { DEMO_FILES, demoOutput, type DemoOutput } from './demo-files.js';
import {
  demoFigures,
  exampleLines,
  resultLines,
  shownPairLines,
  verdict,
  type DemoOutcome,
  type RunOutcome,
} from './demo-report.js';
import {
  DEMO_ANSWER_SEED,
  DEMO_LIMITS,
  DEMO_RUNS,
  DEMO_SIZE,
  demoTraining,
  type DemoRun,
  type DemoSize,
} from './demo-settings.js';
import {
  describeFaults,
  evaluateHeldOut,
  readHeldOut,
  type HeldOutPair,
  type HeldOutResult,
} from './held-out.js';
import { showPair } from './shown-pair.js';

export interface DemoOptions {
  /** Folder for everything the demo makes. */
  outDirectory: string;
  engine: 'auto' | EngineName;
  writer: ConsoleWriter;
  signal?: AbortSignal;
  /** Default {@link DEMO_SIZE}; smaller for tests. */
  size?: DemoSize;
}

/** The pair of the cache that is shown with its selected tokens. */
const SHOWN_ROW = 0;
const LINE_WIDTH = 78;

/**
 * Runs the demo and prints what a person needs to follow it. Run again, it goes on from what is there.
 * @throws Interrupted when `signal` stopped it; InputError for an output folder that cannot be used.
 */
export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const started = performance.now();
  const demo = new Demo(options);
  await demo.introduce();
  await demo.score();
  await demo.showSelection();
  const outcome = await demo.compare();
  await demo.conclude(outcome, (performance.now() - started) / 1000);
  return outcome;
}

class Demo {
  private readonly writer: ConsoleWriter;
  private readonly size: DemoSize;
  private readonly output: DemoOutput;
  private tokenizer!: PairTokenizer;

  constructor(private readonly options: DemoOptions) {
    this.writer = options.writer;
    this.size = options.size ?? DEMO_SIZE;
    this.output = demoOutput(options.outDirectory);
  }

  async introduce(): Promise<void> {
    const { outDirectory, engine } = this.options;
    await makeFolder(outDirectory);
    this.tokenizer = await loadPairTokenizer(DEMO_FILES.policy);
    const opened = await openEngine(engine);
    this.section('What is going on');
    this.paragraph(
      'A small model takes orders in a café. Its staff taught it bad habits: it is curt to people who take their food',
      'along, counts one too many of three things and forgets the last of four. A larger model knows better. It reads',
      `${this.size.trainingPairs} pairs of a right and a wrong answer once; then the small model is trained on the pairs: on all tokens of the`,
      'answers (plain DPO), and on the 40% on which the two models differ most (Selective-DPO).',
    );
    this.paragraph(`Engine: ${opened.name}, ${opened.precision}.`);
  }

  /** Stage one. */
  async score(): Promise<void> {
    this.section('1. Score: what does the reference think of every answer token?');
    await this.scoreBy(DEMO_FILES.reference, this.output.cache);
    this.paragraph('From here on the reference is not needed any more.');
    this.writer.line();
    this.paragraph('Textbook DPO takes the policy itself as reference, so that is asked, too:');
    await this.scoreBy(DEMO_FILES.policy, this.output.policyCache);
  }

  /** The first pair, as the first step of Selective-DPO sees it. */
  async showSelection(): Promise<void> {
    this.stopIfAsked();
    const { selection: rule, keep, spanUnit, spanWindow } = this.training('selectiveDpo');
    const cache = await CacheReader.open(this.output.cache);
    const policy = await CausalLM.load(DEMO_FILES.policy);
    try {
      const shown = await showPair(policy, this.tokenizer, await cache.row(SHOWN_ROW), {
        rule,
        keep,
        spanUnit,
        spanWindow,
      });
      const colour = this.writer.isTerminal;
      this.section('2. Select: on which tokens do the two models differ most?');
      for (const line of shownPairLines(shown, { colour, width: LINE_WIDTH })) this.writer.line(line);
      this.writer.line();
      this.paragraph(
        colour ? 'Green is to become more likely, red less likely;' : 'Tokens in brackets are trained on;',
        'the rest is left alone. The selection is made anew at every step.',
      );
    } finally {
      policy.dispose();
      await cache.close();
    }
  }

  /** Stage two, twice, and the comparison. */
  async compare(): Promise<DemoOutcome> {
    this.section(`3. Train: ${this.size.steps} steps of each method, from the same policy`);
    const pairs = await readHeldOut(DEMO_FILES.heldOutPairs, this.tokenizer, this.size.heldOutPairs);
    const before = await this.evaluate(DEMO_FILES.policy, pairs);
    const runs: Partial<Record<DemoRun, RunOutcome>> = {};
    for (const run of DEMO_RUNS) runs[run] = await this.trainOne(run, pairs);
    return {
      steps: this.size.steps,
      prompts: pairs.map(({ prompt }) => prompt),
      before,
      runs: runs as Record<DemoRun, RunOutcome>,
    };
  }

  async conclude(outcome: DemoOutcome, seconds: number): Promise<void> {
    const { output, writer } = this;
    await publishBytes(output.answers, answersFile(outcome));
    await publishBytes(output.report, `${JSON.stringify(demoFigures(outcome), null, 2)}\n`);
    this.section(`4. Result on ${outcome.prompts.length} orders that no model has seen`);
    for (const line of resultLines(outcome)) writer.line(line);
    writer.line();
    this.paragraph(verdict(outcome));
    writer.line();
    this.paragraph(
      'Accuracy: how often a model gives the right answer of a pair the higher probability. The other figures judge',
      'answers that the models wrote themselves; wins are counted against the policy as it was before. For instance:',
    );
    writer.line();
    for (const line of exampleLines(outcome)) writer.line(line);
    this.section('Where things are');
    for (const line of twoColumns(whereThingsAre(output))) writer.line(`  ${line}`);
    this.section('The same with your own models and preferences');
    for (const line of OWN_COMMANDS) writer.line(`  ${line}`);
    writer.line();
    writer.line(`Done in ${formatDuration(seconds)}.`);
    writer.result({ ...demoFigures(outcome), seconds, files: output }, []);
  }

  private async scoreBy(modelDirectory: string, outDirectory: string): Promise<void> {
    const { engine, signal } = this.options;
    const scored = await scoreDataset({
      modelDirectory,
      tokenizerDirectory: DEMO_FILES.policy,
      dataFile: DEMO_FILES.trainingPairs,
      outDirectory,
      limit: this.size.trainingPairs,
      limits: DEMO_LIMITS,
      engine,
      listener: this.writer.listen,
      signal,
    });
    if (scored.alreadyComplete) this.paragraph('The cache was there already.');
    const { rows, responseTokens, bytes } = await verifyCache(outDirectory);
    this.paragraph(
      `Verified: ${rows} pairs, ${responseTokens} answer tokens with their log-probs, ${formatBytes(bytes)}.`,
    );
  }

  private async trainOne(run: DemoRun, pairs: readonly HeldOutPair[]): Promise<RunOutcome> {
    this.stopIfAsked();
    this.writer.line(RUN_TITLES[run]);
    const started = performance.now();
    const result = await train({
      policyDirectory: DEMO_FILES.policy,
      cacheDirectory: run === 'dpo' ? this.output.policyCache : this.output.cache,
      outDirectory: this.output[run],
      config: this.training(run),
      resume: true,
      // That there is nothing to go on with is what a demo expects.
      listener: (event) => {
        if (!('code' in event && event.code === 'no-run')) this.writer.listen(event);
      },
      ...(this.options.signal === undefined ? {} : { signal: this.options.signal }),
    });
    const seconds = (performance.now() - started) / 1000;
    const keptFraction = result.lastMetrics.train?.['selection/kept_fraction'] ?? NaN;
    return { held: await this.evaluate(result.finalDirectory, pairs), keptFraction, seconds };
  }

  private async evaluate(directory: string, pairs: readonly HeldOutPair[]): Promise<HeldOutResult> {
    this.stopIfAsked();
    const model = await CausalLM.load(directory);
    try {
      return await evaluateHeldOut(model, this.tokenizer, pairs, DEMO_ANSWER_SEED);
    } finally {
      model.dispose();
    }
  }

  private training(run: DemoRun): ReturnType<typeof demoTraining> {
    return demoTraining(run, this.size.steps, this.options.engine);
  }

  private section(title: string): void {
    const { writer } = this;
    writer.line();
    writer.line(writer.isTerminal ? `\u001b[1m${title}\u001b[0m` : title);
    writer.line();
  }

  /** Text wrapped at the line width. */
  private paragraph(...parts: string[]): void {
    let line = '';
    for (const word of parts.join(' ').split(' ')) {
      if (line !== '' && line.length + 1 + word.length > LINE_WIDTH) {
        this.writer.line(line);
        line = '';
      }
      line += line === '' ? word : ` ${word}`;
    }
    this.writer.line(line);
  }

  private stopIfAsked(): void {
    if (this.options.signal?.aborted !== true) return;
    throw new Interrupted('the demo was stopped; what it made is kept', 'run the same command again');
  }
}

const RUN_TITLES: Record<DemoRun, string> = {
  dpo: 'DPO: all answer tokens, as in the textbook with the policy itself as reference',
  dpoLargerReference: 'DPO, larger ref.: all answer tokens, with the larger model as reference',
  selectiveDpo: 'Selective-DPO: the tokens that the larger model selects',
};

const OWN_COMMANDS = [
  'sdpo score --model <reference> --tokenizer <policy> --data <pairs.jsonl> --out <cache>',
  'sdpo train --policy <policy> --cache <cache> --out <run> keep=0.4',
];

function whereThingsAre(output: DemoOutput): [string, string][] {
  return [
    ["the reference's log-probs", output.cache],
    ['trained by DPO', join(output.dpo, 'final')],
    ['trained by DPO, larger ref.', join(output.dpoLargerReference, 'final')],
    ['trained by Selective-DPO', join(output.selectiveDpo, 'final')],
    ['loss and selection, step by step', join(output.selectiveDpo, 'metrics.jsonl')],
    ['all answers and their faults', output.answers],
    ['the figures above', output.report],
  ];
}

/** JSON Lines: a prompt, and what each model answered. */
function answersFile({ prompts, before, runs }: DemoOutcome): string {
  const models: [string, HeldOutResult][] = [
    ['before', before],
    ...DEMO_RUNS.map((name): [string, HeldOutResult] => [name, runs[name].held]),
  ];
  const judged = (i: number): object =>
    Object.fromEntries(
      models.map(([name, { answers }]) => [
        name,
        { answer: answers[i]!, faults: describeFaults(prompts[i]!, answers[i]!) },
      ]),
    );
  return prompts.map((prompt, i) => `${JSON.stringify({ prompt, ...judged(i) })}\n`).join('');
}

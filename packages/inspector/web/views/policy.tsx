/** A policy against the reference: token log-probs, and how the selection moved while it trained. */
import { shownNumber } from '@selective-dpo/sweeps/plots';
import { useMemo, useState } from 'preact/hooks';
import type { PolicyDescription } from '../../src/site-contract.js';
import type { PairContent } from '../data/pair-content.js';
import { pairLogps, type PolicyTable } from '../data/policy-table.js';
import { rowOfPair } from '../data/pair-table.js';
import { SiteProblem } from '../files/site-problem.js';
import type { OpenedSite } from '../opened-site.js';
import { Choice } from '../parts/choice.js';
import { Facts, shownCount, shownShare } from '../parts/facts.js';
import { Show, useLoaded } from '../parts/loaded.js';
import { SelectionControls } from '../parts/selection-controls.js';
import { ShownPlot } from '../parts/shown-plot.js';
import { useSignalValue } from '../parts/signal-value.js';
import { densityOf, densityPlot } from '../plots/density-plot.js';
import { heldOutPairs } from '../pairs/held-out.js';
import { hashOf } from '../route.js';
import { settings } from '../selection/page-settings.js';
import { reselect } from '../selection/reselect.js';
import { addMovements, jaccard, movementOf, type Movement } from '../selection/selection-movement.js';
import type { TokenTexts } from '../text/token-text.js';

/** Pairs of the sample that are compared. */
const MAX_PAIRS = 256;
/** Pairs that are listed. */
const MOST_MOVED = 12;

export function PolicyView({ site }: { site: OpenedSite }) {
  const policies = site.description.run?.policies ?? [];
  const [name, choose] = useState(policies.at(-1)?.name);
  const policy = policies.find((one) => one.name === name);
  const loaded = useLoaded(() => readSample(site, policy), [site, policy], true);
  if (policy === undefined) return <p class="note">This run has no log-probs of a checkpoint.</p>;
  return (
    <>
      <div class="bar">
        <Choice
          label="Checkpoint"
          value={policy.name}
          options={policies.map((one) => [one.name, `${one.name} (step ${one.step})`] as const)}
          onChoose={choose}
        />
      </div>
      <Show of={loaded}>
        {(sample) => <PolicyFigures site={site} policy={sample.policy} sample={sample} />}
      </Show>
    </>
  );
}

interface Sample {
  policy: PolicyDescription;
  contents: readonly PairContent[];
  table: PolicyTable;
  texts: TokenTexts;
}

async function readSample(site: OpenedSite, policy: PolicyDescription | undefined): Promise<Sample> {
  if (policy === undefined) throw new SiteProblem('this run has no log-probs of a checkpoint');
  const [table, texts] = await Promise.all([site.policy(policy.file), site.texts()]);
  const contents = await site.pairs.pairs(Array.from(table.pairIndex.subarray(0, MAX_PAIRS)));
  return { policy, table, texts, contents };
}

function PolicyFigures({
  site,
  policy,
  sample,
}: {
  site: OpenedSite;
  policy: PolicyDescription;
  sample: Sample;
}) {
  const { contents, table } = sample;
  const sides = useMemo(() => {
    const lists = contents.map((pair, row) => ({ pair, logps: pairLogps(table, row, pair) }));
    return {
      chosen: lists.map(({ pair, logps }) => ({ ref: pair.chosenRefLogps, policy: logps.chosen })),
      rejected: lists.map(({ pair, logps }) => ({ ref: pair.rejectedRefLogps, policy: logps.rejected })),
    };
  }, [contents, table]);
  const difference = (lists: typeof sides.chosen) => {
    const tokens = lists.reduce((sum, { ref }) => sum + ref.length, 0);
    const total = lists.reduce(
      (sum, { ref, policy: own }) => sum + ref.reduce((all, lp, t) => all + own[t]! - lp, 0),
      0,
    );
    return total / tokens;
  };
  const right = sides.chosen.map((chosen, i) => margin(chosen, sides.rejected[i]!) > 0);
  return (
    <>
      <Facts
        facts={[
          { name: 'Pairs compared', value: shownCount(contents.length), note: sampleNote(site, sample) },
          ...accuracyFacts(site, contents, right),
          {
            name: 'Policy − reference, chosen',
            value: shownNumber(difference(sides.chosen)),
            note: 'nats a token',
          },
          {
            name: 'Policy − reference, rejected',
            value: shownNumber(difference(sides.rejected)),
            note: 'nats a token',
          },
        ]}
      />
      <div class="plots two">
        <ShownPlot plot={densityPlot(densityOf(sides.chosen), `Chosen tokens, ${policy.name}`)} />
        <ShownPlot plot={densityPlot(densityOf(sides.rejected), `Rejected tokens, ${policy.name}`)} />
      </div>
      <SelectionMovement site={site} policy={policy} sample={sample} />
    </>
  );
}

/** Of how many the pairs are that are compared. */
function sampleNote({ cache }: OpenedSite, { contents, table }: Sample): string {
  const [scored, all] = [shownCount(table.pairIndex.length), shownCount(cache.rows)];
  if (contents.length < table.pairIndex.length)
    return `the first of ${scored} that were scored, a sample of ${all} in the cache`;
  return contents.length < cache.rows
    ? `all that were scored: a sample of ${all} in the cache`
    : 'the whole cache';
}

/** Rewards accuracy of held-out pairs and of those that were trained on, each where there are any. */
function accuracyFacts(
  { cache, description }: OpenedSite,
  contents: readonly PairContent[],
  right: readonly boolean[],
) {
  const { config = {} } = description.run ?? {};
  const held = heldOutPairs(cache.rows, config);
  const fact = (name: string, among: (pair: number) => boolean, more = '') => {
    const rights = right.filter((_, i) => among(contents[i]!.pairIndex));
    if (rights.length === 0) return [];
    const share = rights.filter((one) => one).length / rights.length;
    return [
      {
        name,
        value: shownShare(share),
        note: `of ${shownCount(rights.length)} pairs: chosen gained more over the reference${more}`,
      },
    ];
  };
  if (held === undefined) return fact('Rewards accuracy', () => true, '; which were held out is not known');
  const dropped = config['refTrust'] === 'drop' ? '; those that refTrust dropped are among them' : '';
  return [
    ...fact('Rewards accuracy, held out', (pair) => held.has(pair)),
    ...fact('Rewards accuracy, training', (pair) => !held.has(pair), dropped),
  ];
}

/** Reward margin of a pair over β: what chosen gained over the reference less what rejected did. */
function margin(chosen: { ref: Float32Array; policy: Float32Array }, rejected: typeof chosen): number {
  const gained = ({ ref, policy }: typeof chosen) => policy.reduce((sum, lp, t) => sum + lp - ref[t]!, 0);
  return gained(chosen) - gained(rejected);
}

function SelectionMovement({
  site,
  policy,
  sample,
}: {
  site: OpenedSite;
  policy: PolicyDescription;
  sample: Sample;
}) {
  const policies = site.description.run?.policies ?? [];
  const others = policies.filter(({ name }) => name !== policy.name);
  const [chosen, choose] = useState<string>();
  const other = others.find(({ name }) => name === chosen) ?? farthestFrom(policy, others);
  const loaded = useLoaded(async () => other && site.policy(other.file), [site, other]);
  if (other === undefined)
    return <p class="note">The selection can be followed once there are two checkpoints.</p>;
  return (
    <section>
      <h2>How the selection moved</h2>
      <div class="card">
        <div class="bar">
          <Choice
            label="Compared with"
            value={other.name}
            options={others.map(({ name, step }) => [name, `${name} (step ${step})`] as const)}
            onChoose={choose}
          />
        </div>
        <SelectionControls policies={[]} policy={undefined} onPolicy={choose} hasPolicy onlySelection />
      </div>
      <Show of={loaded}>
        {(table) => table && <MovementTable {...{ policy, other, sample }} before={table} />}
      </Show>
    </section>
  );
}

/** The checkpoint most steps away: what moved over all of the training is seen first. */
function farthestFrom(
  { step }: PolicyDescription,
  others: readonly PolicyDescription[],
): PolicyDescription | undefined {
  return [...others].sort((a, b) => Math.abs(b.step - step) - Math.abs(a.step - step))[0];
}

interface MovementTableProps {
  policy: PolicyDescription;
  other: PolicyDescription;
  sample: Sample;
  before: PolicyTable;
}

function MovementTable({ policy, other, sample, before }: MovementTableProps) {
  const chosen = useSignalValue(settings);
  const moved = useMemo(() => movementsOf(sample, before, chosen), [sample, before, chosen]);
  const all = addMovements(moved.map(({ movement }) => movement));
  const most = [...moved].sort((a, b) => jaccard(a.movement) - jaccard(b.movement)).slice(0, MOST_MOVED);
  return (
    <>
      <Facts
        facts={[
          {
            name: 'Jaccard similarity',
            value: shownNumber(jaccard(all)),
            note: `${other.name} and ${policy.name}`,
          },
          { name: 'Tokens that stayed', value: shownCount(all.stayed) },
          { name: 'Tokens that entered', value: shownCount(all.entered) },
          { name: 'Tokens that left', value: shownCount(all.left) },
        ]}
      />
      <div class="scroll" tabIndex={0} role="region" aria-label="Pairs whose selection moved most">
        <table>
          <caption>Pairs whose selection moved most</caption>
          <thead>
            <tr>
              {['pair', 'Jaccard', 'stayed', 'entered', 'left'].map((head) => (
                <th key={head} scope="col" class="number">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {most.map(({ pair, movement }) => (
              <tr key={pair}>
                <th scope="row" class="number">
                  <a href={hashOf('pair', pair, { checkpoint: policy.name })}>{pair}</a>
                </th>
                {[jaccard(movement), movement.stayed, movement.entered, movement.left].map((value, i) => (
                  <td key={i} class="number">
                    {shownNumber(value)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function movementsOf(
  { contents, table, texts }: Sample,
  before: PolicyTable,
  chosen: (typeof settings)['value'],
): { pair: number; movement: Movement }[] {
  return contents.flatMap((pair, row) => {
    const earlier = rowOfPair(before, pair.pairIndex);
    if (earlier < 0) return [];
    const then = reselect(pair, pairLogps(before, earlier, pair), chosen, texts.endsSentence)!;
    const now = reselect(pair, pairLogps(table, row, pair), chosen, texts.endsSentence)!;
    return [{ pair: pair.pairIndex, movement: movementOf(then, now) }];
  });
}

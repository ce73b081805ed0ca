/** One pair: its prompt, its answers token by token, and which tokens the trainer would keep. */
import { shownNumber } from '@selective-dpo/sweeps/plots';
import { useMemo, useState } from 'preact/hooks';
import { rowOfPair } from '../data/pair-table.js';
import { holdsPair, type PairContent } from '../data/pair-content.js';
import { pairLogps } from '../data/policy-table.js';
import { SiteProblem } from '../files/site-problem.js';
import type { OpenedSite } from '../opened-site.js';
import { latestList } from '../pairs/list-places.js';
import { Answer } from '../parts/answer.js';
import { Difference } from '../parts/difference.js';
import { shownShare } from '../parts/facts.js';
import { Show, useLoaded } from '../parts/loaded.js';
import { Prompt } from '../parts/prompt.js';
import { possibleTint, SelectionControls } from '../parts/selection-controls.js';
import { useSignalValue } from '../parts/signal-value.js';
import { TintLegend } from '../parts/tint-legend.js';
import { TokenFigures } from '../parts/token-figures.js';
import { goTo, hashOf, type Route } from '../route.js';
import { settings, showDifference, tint } from '../selection/page-settings.js';
import { reselect, type KeptTokens, type PolicyLogps } from '../selection/reselect.js';
import { answersOf, keptCount, SIDES, type AnswerTokens, type Side } from '../text/pair-tokens.js';
import { scoreScale } from '../text/tint.js';
import { shownLine, type TokenTexts } from '../text/token-text.js';

export function PairView({ site, route }: { site: OpenedSite; route: Route }) {
  const index = /^\d{1,9}$/.test(route.subject) ? Number(route.subject) : -1;
  const policies = site.description.run?.policies ?? [];
  const policy = policies.find(({ name }) => name === route.query.get('checkpoint')) ?? policies.at(-1);
  const loaded = useLoaded(
    async () => {
      if (index < 0) throw new SiteProblem(`there is no pair ${shownLine(route.subject, 40)}`);
      const [pair, texts, table] = await Promise.all([
        site.pairs.pair(index),
        site.texts(),
        policy && site.policy(policy.file),
      ]);
      const row = table === undefined ? -1 : rowOfPair(table, index);
      return {
        pair,
        texts,
        policy,
        logps: table && row >= 0 ? pairLogps(table, row, pair) : undefined,
      };
    },
    [site, index, policy],
    true,
  );
  return (
    <>
      <nav class="steps" aria-label="Other pairs">
        {holdsPair(site.cache, index - 1) && (
          <a href={hashOf('pair', index - 1, { checkpoint: policy?.name })}>← Pair {index - 1}</a>
        )}
        <a href={latestList() ?? hashOf('pairs')}>Back to the list</a>
        {holdsPair(site.cache, index + 1) && (
          <a href={hashOf('pair', index + 1, { checkpoint: policy?.name })}>Pair {index + 1} →</a>
        )}
      </nav>
      <Show of={loaded}>
        {({ pair, texts, logps, policy: shown }) => (
          <PairBody
            key={pair.pairIndex}
            {...{ pair, texts, logps, policies }}
            policy={shown?.name}
            onPolicy={(name) => goTo(hashOf('pair', index, { checkpoint: name }), true)}
          />
        )}
      </Show>
    </>
  );
}

interface PairBodyProps {
  pair: PairContent;
  texts: TokenTexts;
  logps: PolicyLogps | undefined;
  policies: NonNullable<OpenedSite['description']['run']>['policies'];
  policy: string | undefined;
  onPolicy: (name: string) => void;
}

function PairBody({ pair, texts, logps, policies, policy, onPolicy }: PairBodyProps) {
  const chosen = useSignalValue(settings);
  const tinted = possibleTint(useSignalValue(tint), logps !== undefined);
  const difference = useSignalValue(showDifference);
  const answers = useMemo(() => answersOf(pair, logps), [pair, logps]);
  const scale = useMemo(() => scoreScale(...SIDES.flatMap((side) => answers[side].scores ?? [])), [answers]);
  const kept = useMemo(() => reselect(pair, logps, chosen, texts.endsSentence), [pair, logps, chosen, texts]);
  const [{ side, token }, look] = useState<{ side: Side; token: number }>({ side: 'chosen', token: 0 });
  const roomForWhole = useMemo(
    () => SIDES.some((one) => answers[one].ids.some((id) => texts.shown(id).whole !== undefined)),
    [answers, texts],
  );
  return (
    <>
      <p class="note">
        <bdi>{shownLine(pair.pairId, 80)}</bdi> · row {pair.sourceRow} of the dataset
      </p>
      <Prompt ids={pair.promptIds} texts={texts} />
      <div class="desk card">
        <SelectionControls {...{ policies, policy, onPolicy }} hasPolicy={logps !== undefined} />
        {logps === undefined && <WithoutPolicy sampled={policies.length > 0} selects={kept !== undefined} />}
        <TintLegend tint={tinted} scale={scale} />
        <TokenFigures tokens={answers[side]} {...{ token, texts, roomForWhole }} kept={kept?.[side]} />
      </div>
      <div class="answers">
        {SIDES.map((one) => (
          <section class={`card answer ${one}`} key={one} aria-label={`${one} answer`}>
            <AnswerHead tokens={answers[one]} kept={kept} />
            <Answer
              {...{ texts, scale }}
              tokens={answers[one]}
              tint={tinted}
              kept={kept?.[one]}
              onLook={(at) => look({ side: one, token: at })}
            />
          </section>
        ))}
      </div>
      {difference && <Difference pair={pair} texts={texts} />}
    </>
  );
}

function WithoutPolicy({ sampled, selects }: { sampled: boolean; selects: boolean }) {
  return (
    <p class="notice" role="note">
      {sampled
        ? 'This pair is not in the sample that the policy was scored on, so it has no alignment scores here.'
        : 'There are no log-probs of a policy here, so there are no alignment scores: they need a run with its policy.'}{' '}
      {selects
        ? 'The rules random and all need none.'
        : 'Selection by this rule is not possible; random and all are. The tint shows the reference alone.'}
    </p>
  );
}

function AnswerHead({ tokens, kept }: { tokens: AnswerTokens; kept: KeptTokens | undefined }) {
  const { side, ids, ref, policy } = tokens;
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
  const threshold = kept?.[`${side}Threshold`] ?? NaN;
  return (
    <>
      <h2>{side === 'chosen' ? 'Chosen' : 'Rejected'}</h2>
      <p class="note">
        {ids.length} tokens · reference {shownNumber(sum(ref))}
        {policy && ` · policy ${shownNumber(sum(policy))}`} nats
        {kept !== undefined && (
          <>
            {' · '}
            <b class="kept-count">
              {keptCount(kept, side)} kept ({shownShare(keptCount(kept, side) / ids.length)})
            </b>
            {!Number.isNaN(threshold) && ` from ${shownNumber(threshold)} on`}
          </>
        )}
      </p>
    </>
  );
}

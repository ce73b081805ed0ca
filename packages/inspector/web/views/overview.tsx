/** Figures of a whole cache. */
import { shownNumber, type Plot } from '@selective-dpo/sweeps/plots';
import type { CacheDescription, Overview } from '../../src/site-contract.js';
import { isObject, type JsonObject } from '../files/json-file.js';
import type { OpenedSite } from '../opened-site.js';
import { Facts, shownCount, shownShare } from '../parts/facts.js';
import { Show, useLoaded } from '../parts/loaded.js';
import { ShownPlot } from '../parts/shown-plot.js';
import { histogramPlot } from '../plots/histogram-plot.js';
import { hashOf } from '../route.js';
import { shownLine } from '../text/token-text.js';
import { referenceVerdict } from './reference-verdict.js';

export function OverviewView({ site }: { site: OpenedSite }) {
  const overview = useLoaded(() => site.overview(), [site]);
  const manifest = useLoaded(() => site.manifest(), [site]);
  return (
    <Show of={overview}>
      {(figures) => (
        <>
          <Sizes figures={figures} cache={site.cache} />
          <Reference figures={figures} />
          <Lengths figures={figures} />
          <Duplicates figures={figures} />
          <section>
            <h2>Where it comes from</h2>
            <Show of={manifest}>{(found) => <Provenance manifest={found} />}</Show>
          </section>
        </>
      )}
    </Show>
  );
}

function Sizes({ figures, cache }: { figures: Overview; cache: CacheDescription }) {
  const dropped = Object.entries(figures.dropped);
  const lost = dropped.reduce((sum, [, count]) => sum + count, 0);
  const { promptTokens, chosenTokens, rejectedTokens, rows } = figures;
  const tokens = (spread: { total: number; mean: number }) => Math.round(spread.mean * rows);
  const all = tokens(promptTokens) + tokens(chosenTokens) + tokens(rejectedTokens);
  const { shards, bytes } = cache.stored;
  return (
    <section aria-label="Size">
      <Facts
        facts={[
          {
            name: 'Pairs',
            value: shownCount(rows),
            note: `in ${shownCount(shards)} ${shards === 1 ? 'shard' : 'shards'}, Parquet ${shownBytes(bytes)}`,
          },
          { name: 'Tokens', value: shownCount(all), note: `prompt ${shownCount(tokens(promptTokens))}` },
          {
            name: 'Response tokens',
            value: shownCount(tokens(chosenTokens) + tokens(rejectedTokens)),
            note: `chosen ${shownCount(tokens(chosenTokens))}, rejected ${shownCount(tokens(rejectedTokens))}`,
          },
          {
            name: 'Rows dropped',
            value: shownCount(lost),
            note: lost === 0 ? 'every row gave a pair' : 'rows that gave no pair',
          },
        ]}
      />
      {dropped.length > 0 && (
        <table class="small">
          <caption>Rows that gave no pair, by reason</caption>
          <tbody>
            {dropped.map(([reason, count]) => (
              <tr key={reason}>
                <th scope="row">{shownLine(reason, 80)}</th>
                <td class="number">{shownCount(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Bytes in binary units. */
function shownBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const unit = Math.min(3, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return `${shownNumber(Number((bytes / 1024 ** unit).toPrecision(3)))} ${units[unit]}`;
}

function Reference({ figures }: { figures: Overview }) {
  const { reference } = figures;
  const verdict = referenceVerdict(figures);
  return (
    <section>
      <h2>Does the reference prefer the chosen answers?</h2>
      <div class={`verdict ${verdict.tone}`} role={verdict.tone === 'bad' ? 'alert' : undefined}>
        <p>
          <b>{shownShare(reference.accuracy)}</b> {verdict.headline} <small>{verdict.certainty}</small>
        </p>
        <p>{verdict.advice}</p>
      </div>
      <Plots
        plots={[
          histogramPlot(reference.margin, {
            ...{
              title: 'Margin of the reference',
              axis: 'log-prob of chosen − rejected, nats',
              look: 0,
              mark: 0,
              wrongBelow: 0,
            },
          }),
          histogramPlot(reference.marginPerToken, {
            ...{
              title: `Margin per token (right in ${shownShare(reference.accuracyPerToken)})`,
              look: 0,
              mark: 0,
              wrongBelow: 0,
            },
            axis: 'mean log-prob of chosen − rejected, nats a token',
          }),
          histogramPlot(figures.chosenLogps, {
            title: 'Chosen tokens',
            axis: 'log-prob of a token, nats (quantiles within 0.5%)',
            look: 0,
          }),
          histogramPlot(figures.rejectedLogps, {
            title: 'Rejected tokens',
            axis: 'log-prob of a token, nats (quantiles within 0.5%)',
            look: 5,
          }),
        ]}
      />
      {reference.mostWrong.length > 0 && <MostWrong pairs={reference.mostWrong} />}
    </section>
  );
}

/** Pairs that are named; the list has all of them. */
const MOST_WRONG = 24;

function MostWrong({ pairs }: { pairs: Overview['reference']['mostWrong'] }) {
  return (
    <>
      <h3>Where it is most wrong</h3>
      <ul class="chips">
        {pairs.slice(0, MOST_WRONG).map(({ pairIndex, margin }) => (
          <li key={pairIndex}>
            <a href={hashOf('pair', pairIndex)}>
              pair {pairIndex} <span class="number bad">{shownNumber(margin)}</span>
            </a>
          </li>
        ))}
      </ul>
      <p>
        <a href={hashOf('pairs', '', { sort: 'margin' })}>All pairs, the worst first</a>
      </p>
    </>
  );
}

function Lengths({ figures }: { figures: Overview }) {
  const named = [
    ['Prompt', figures.promptTokens, 2],
    ['Chosen answer', figures.chosenTokens, 0],
    ['Rejected answer', figures.rejectedTokens, 5],
  ] as const;
  return (
    <section>
      <h2>Lengths</h2>
      <Plots
        plots={named.map(([title, spread, look]) => histogramPlot(spread, { title, axis: 'tokens', look }))}
      />
    </section>
  );
}

function Plots({ plots }: { plots: readonly (Plot | undefined)[] }) {
  const drawn = plots.filter((plot) => plot !== undefined);
  if (drawn.length === 0) return <p class="note">Nothing to draw.</p>;
  return (
    <div class={`plots${drawn.length % 3 === 1 ? ' two' : ''}`}>
      {drawn.map((plot) => (
        <ShownPlot key={plot.title} plot={plot} />
      ))}
    </div>
  );
}

function Duplicates({ figures: { duplicates, rows } }: { figures: Overview }) {
  const kinds = [
    ['pair', 'Identical pairs', duplicates.identicalPairs, 'prompt and both answers as in an earlier pair'],
    [
      'swapped',
      'Swapped pairs',
      duplicates.swappedPairs,
      'the same answers the other way round: a contradiction',
    ],
    [
      'near',
      'Nearly identical pairs',
      duplicates.nearIdenticalPairs,
      'at least 80% of 5-token shingles shared',
    ],
    ['prompt', 'Repeated prompts', duplicates.identicalPrompts, 'an earlier pair has the same prompt'],
  ] as const;
  return (
    <section>
      <h2>Repetitions</h2>
      <Facts
        facts={kinds.map(([kind, name, count, what]) => ({
          name,
          value:
            count > 0 ? (
              <a href={hashOf('pairs', '', { duplicates: kind })}>{shownCount(count)}</a>
            ) : (
              shownCount(count)
            ),
          note: `${shownShare(rows > 0 ? count / rows : 0)} · ${what}`,
        }))}
      />
    </section>
  );
}

/** Lines of the manifest that are shown at most, and characters of a value. */
const [MAX_LINES, MAX_VALUE] = [80, 160];

function Provenance({ manifest }: { manifest: JsonObject }) {
  const inputs = isObject(manifest['inputs']) ? manifest['inputs'] : {};
  const lines = [...leavesOf(inputs), ['digest', manifest['digest']] as const].slice(0, MAX_LINES);
  return (
    <dl class="keys card">
      {lines.map(([key, value]) => (
        <div key={key}>
          <dt>{shownLine(key, MAX_VALUE)}</dt>
          <dd>
            <bdi>{value === null ? '–' : shownLine(String(value), MAX_VALUE)}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Values of an object by their paths. */
function leavesOf(object: JsonObject, path = ''): (readonly [string, unknown])[] {
  return Object.entries(object).flatMap(([key, value]) =>
    isObject(value) && path.length < 60
      ? leavesOf(value, `${path}${key} · `)
      : [[`${path}${key}`, isObject(value) ? '…' : value] as const],
  );
}

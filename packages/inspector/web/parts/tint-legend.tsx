/** What the tints mean. */
import { shownNumber } from '@selective-dpo/sweeps/plots';
import { SCORE_STEPS, SURPRISE_STEPS, type Tint } from '../text/tint.js';

export function TintLegend({ tint, scale }: { tint: Tint; scale: number }) {
  return (
    <p class="legend note">
      {tint === 'score' && <ScoreLegend scale={scale} />}
      {(tint === 'reference' || tint === 'policy') && (
        <>
          log-prob: <Swatch tone="l0" /> 0
          {SURPRISE_STEPS.map((step, i) => (
            <span key={step}>
              <Swatch tone={`l${i + 1}`} /> −{step}
            </span>
          ))}
        </>
      )}
      <span class="tokens one">
        <span class="kept">kept</span>
      </span>
    </p>
  );
}

function ScoreLegend({ scale }: { scale: number }) {
  const steps = Array.from({ length: SCORE_STEPS }, (_, i) => i + 1);
  return (
    <>
      score: −{shownNumber(scale)}
      <span>
        {[...steps].reverse().map((step) => (
          <Swatch key={step} tone={`d${step}`} />
        ))}
        <Swatch tone="l0" />
        {steps.map((step) => (
          <Swatch key={step} tone={`u${step}`} />
        ))}
      </span>
      {shownNumber(scale)} nats (high: training is due)
    </>
  );
}

function Swatch({ tone }: { tone: string }) {
  return <span class={`swatch ${tone}`} aria-hidden="true" />;
}

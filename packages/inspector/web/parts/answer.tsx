/** An answer token by token. Arrow keys move between tokens; hover and focus show a token's figures. */
import { memo } from 'preact/compat';
import { useRef, useState } from 'preact/hooks';
import type { AnswerTokens } from '../text/pair-tokens.js';
import { scoreClass, surpriseClass, type Tint } from '../text/tint.js';
import type { TokenTexts } from '../text/token-text.js';
import { Pieces } from './token-pieces.js';

interface AnswerProps {
  tokens: AnswerTokens;
  texts: TokenTexts;
  tint: Tint;
  /** See scoreScale. */
  scale: number;
  /** 1 for kept tokens [T]; undefined where nothing is selected. */
  kept: Uint8Array | undefined;
  onLook: (token: number) => void;
}

export function Answer({ tokens, texts, tint, scale, kept, onLook }: AnswerProps) {
  const { ids, side } = tokens;
  const box = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(0);
  const go = (to: number) => {
    const next = Math.max(0, Math.min(ids.length - 1, to));
    setCurrent(next);
    (box.current?.children[next] as HTMLElement | undefined)?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    const to = {
      ArrowRight: current + 1,
      ArrowLeft: current - 1,
      ArrowDown: current + 10,
      ArrowUp: current - 10,
      Home: 0,
      End: ids.length,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  };
  const look = (event: Event) => {
    const token = Number(
      (event.target as HTMLElement).closest<HTMLElement>('[data-token]')?.dataset['token'] ?? NaN,
    );
    if (!(token >= 0)) return;
    if (event.type === 'focusin') setCurrent(token);
    onLook(token);
  };
  return (
    <div
      class={`tokens ${kept === undefined ? '' : 'selected'}`}
      ref={box}
      role="list"
      aria-label={`${side} answer, ${ids.length} tokens; arrow keys move between tokens`}
      onKeyDown={keys}
      onFocusIn={look}
      onMouseOver={look}
    >
      {Array.from(ids, (id, t) => (
        <Token
          key={t}
          {...{ id, t, texts }}
          tone={toneOf(tokens, t, tint, scale)}
          kept={kept?.[t] === 1}
          focusable={t === current}
        />
      ))}
    </div>
  );
}

function toneOf({ ref, policy, scores }: AnswerTokens, t: number, tint: Tint, scale: number): string {
  if (tint === 'reference') return surpriseClass(ref[t]!);
  if (tint === 'policy' && policy !== undefined) return surpriseClass(policy[t]!);
  if (tint === 'score' && scores !== undefined) return scoreClass(scores[t]!, scale);
  return 'l0';
}

interface TokenProps {
  id: number;
  t: number;
  texts: TokenTexts;
  tone: string;
  kept: boolean;
  focusable: boolean;
}

/** Drawn anew only when something of it changes: moving the slider touches the tokens that enter or leave. */
const Token = memo(function Token({ id, t, texts, tone, kept, focusable }: TokenProps) {
  const { pieces, whole } = texts.shown(id);
  return (
    <span
      class={`token ${tone}${kept ? ' kept' : ''}`}
      role="listitem"
      data-token={t}
      tabIndex={focusable ? 0 : -1}
    >
      <Pieces pieces={pieces} />
      {whole !== undefined && <span class="mark">…</span>}
    </span>
  );
});

/** Sort, filters and search above the list of pairs. */
import { useEffect, useState } from 'preact/hooks';
import type { PolicyDescription } from '../../src/site-contract.js';
import {
  type DUPLICATE_FILTERS,
  type PairFilter,
  type SortKey,
  type VERDICTS,
} from '../pairs/pair-filter.js';
import { Choice, RangeField } from '../parts/choice.js';
import { MAX_QUERY } from '../text/search.js';

interface FilterBarProps {
  filter: PairFilter;
  query: string;
  policies: readonly PolicyDescription[];
  policy: string | undefined;
  hasTexts: boolean;
  onChange: (filter: PairFilter) => void;
  onSearch: (query: string) => void;
  onPolicy: (name: string) => void;
  onReset: () => void;
}

const SORTS: readonly (readonly [SortKey, string])[] = [
  ['index', 'place in the cache'],
  ['margin', 'margin of the reference'],
  ['token-margin', 'margin per token'],
  ['policy', 'margin of the policy'],
  ['total', 'tokens in all'],
  ['prompt', 'tokens of the prompt'],
  ['chosen', 'tokens of chosen'],
  ['rejected', 'tokens of rejected'],
];
const VERDICT_WORDS: readonly (readonly [(typeof VERDICTS)[number], string])[] = [
  ['any', 'right or wrong'],
  ['right', 'right (margin > 0)'],
  ['wrong', 'wrong (margin < 0)'],
  ['tie', 'margin = 0'],
];
const DUPLICATE_WORDS: readonly (readonly [(typeof DUPLICATE_FILTERS)[number], string])[] = [
  ['any', 'with or without'],
  ['none', 'none'],
  ['some', 'of any kind'],
  ['pair', 'identical pairs'],
  ['swapped', 'swapped answers'],
  ['near', 'nearly identical'],
  ['prompt', 'same prompt'],
];

export function FilterBar(props: FilterBarProps) {
  const [wide] = useState(() => innerWidth > 800);
  return (
    <form class="card filter-card" aria-label="Sort and filter" onSubmit={(event) => event.preventDefault()}>
      <SearchField {...props} />
      <details class="filters" open={wide}>
        <summary>Sort and filter</summary>
        <div class="bar">
          <Choices {...props} />
          <Intervals {...props} />
          <button type="button" class="quiet" onClick={props.onReset}>
            Show all
          </button>
        </div>
      </details>
    </form>
  );
}

function Choices({ filter, onChange, policies }: FilterBarProps) {
  const set = (part: Partial<PairFilter>) => onChange({ ...filter, ...part });
  return (
    <>
      <Choice
        label="Sort by"
        value={filter.sort}
        options={SORTS.filter(([key]) => key !== 'policy' || policies.length > 0)}
        onChoose={(sort) => set({ sort })}
      />
      <Choice
        label="Order"
        value={filter.descending ? 'down' : 'up'}
        options={[
          ['up', 'smallest first'],
          ['down', 'largest first'],
        ]}
        onChoose={(order) => set({ descending: order === 'down' })}
      />
      <Choice
        label="Reference"
        value={filter.verdict}
        options={VERDICT_WORDS}
        onChoose={(verdict) => set({ verdict })}
      />
      <Choice
        label="Repetitions"
        value={filter.duplicates}
        options={DUPLICATE_WORDS}
        onChoose={(duplicates) => set({ duplicates })}
      />
    </>
  );
}

function Intervals({ filter, onChange, policies, policy, onPolicy }: FilterBarProps) {
  const set = (part: Partial<PairFilter>) => onChange({ ...filter, ...part });
  return (
    <>
      <RangeField label="Tokens in all" value={filter.total} onChange={(total) => set({ total })} />
      <RangeField label="Margin (reference)" value={filter.margin} onChange={(margin) => set({ margin })} />
      {policies.length > 0 && (
        <RangeField
          label="Margin (policy)"
          value={filter.policy}
          onChange={(interval) => set({ policy: interval })}
        />
      )}
      {policies.length > 1 && (
        <Choice
          label="Policy"
          value={policy ?? ''}
          options={policies.map(({ name }) => [name, name] as const)}
          onChoose={onPolicy}
        />
      )}
    </>
  );
}

function SearchField({ query, hasTexts, onSearch }: FilterBarProps) {
  const [entered, setEntered] = useState(query);
  useEffect(() => setEntered(query), [query]);
  return (
    <span class="field search">
      <label for="search">Search in prompts and answers</label>
      <span class="joined">
        <input
          id="search"
          type="search"
          maxLength={MAX_QUERY}
          value={entered}
          disabled={!hasTexts}
          placeholder={hasTexts ? 'any text; case does not matter' : 'needs a tokenizer'}
          onInput={(event) => setEntered(event.currentTarget.value)}
          onKeyDown={(event) => event.key === 'Enter' && onSearch(entered.trim())}
          onChange={(event) => event.currentTarget.value === '' && onSearch('')}
        />
        <button type="button" disabled={!hasTexts} onClick={() => onSearch(entered.trim())}>
          Search
        </button>
      </span>
    </span>
  );
}

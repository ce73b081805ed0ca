/** Controls with their labels. */
import { useId } from 'preact/hooks';

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, text: string])[];
  onChoose: (value: T) => void;
}

/** One of several. */
export function Choice<T extends string>({ label, value, options, onChoose }: ChoiceProps<T>) {
  const id = useId();
  return (
    <span class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </span>
  );
}

interface NumberProps {
  label: string;
  value: number | undefined;
  onChange: (value: number | undefined) => void;
  min?: number;
  step?: number;
  placeholder?: string;
}

/** A number, or none. */
export function NumberField({ label, value, onChange, min, step, placeholder }: NumberProps) {
  const id = useId();
  return (
    <span class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        value={value ?? ''}
        min={min}
        step={step ?? 'any'}
        placeholder={placeholder}
        onChange={(event) => {
          const { value: text, valueAsNumber } = event.currentTarget;
          onChange(text === '' || !Number.isFinite(valueAsNumber) ? undefined : valueAsNumber);
        }}
      />
    </span>
  );
}

/** From … to …, each end open where it is empty. */
export function RangeField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: { from?: number | undefined; to?: number | undefined };
  onChange: (value: { from?: number | undefined; to?: number | undefined }) => void;
}) {
  const ends = [
    ['from', 'at least'],
    ['to', 'at most'],
  ] as const;
  return (
    <fieldset class="field range">
      <legend>{label}</legend>
      {ends.map(([end, text]) => (
        <input
          key={end}
          type="number"
          step="any"
          aria-label={`${label}, ${text}`}
          placeholder={text}
          value={value[end] ?? ''}
          onChange={(event) => {
            const { value: entered, valueAsNumber } = event.currentTarget;
            onChange({
              ...value,
              [end]: entered === '' || !Number.isFinite(valueAsNumber) ? undefined : valueAsNumber,
            });
          }}
        />
      ))}
    </fieldset>
  );
}

/**
 * TensorBoard's events as bytes. Field numbers: event.proto and summary.proto of TensorFlow, plugin_data.proto of TensorBoard's
 * HParams plugin, struct.proto of protocol buffers.
 */
import { doubleField, floatField, messageField, textField, varintField } from './protobuf.js';

/** The first event of every file. @param time Unix seconds. */
export function versionEvent(time: number): Buffer {
  return Buffer.concat([doubleField(1, time), textField(3, 'brain.Event:2')]);
}

/** Scalars of one step, by name. @param time Unix seconds. */
export function scalarEvent(time: number, step: number, scalars: Record<string, number>): Buffer {
  const values = Object.entries(scalars).map(([name, value]) =>
    messageField(1, textField(1, name), floatField(2, value)),
  );
  return Buffer.concat([doubleField(1, time), varintField(2, step), messageField(5, ...values)]);
}

/** The settings of a run, for the HParams plugin. @param time Unix seconds. */
export function settingsEvent(time: number, settings: Record<string, string | number | boolean>): Buffer {
  const entries = Object.entries(settings).map(([name, value]) =>
    messageField(1, textField(1, name), messageField(2, settingValue(value))),
  );
  const start = messageField(3, ...entries, doubleField(5, time));
  const metadata = messageField(9, messageField(1, textField(1, 'hparams'), messageField(2, start)));
  const value = messageField(1, textField(1, '_hparams_/session_start_info'), metadata);
  return Buffer.concat([doubleField(1, time), messageField(5, value)]);
}

function settingValue(value: string | number | boolean): Buffer {
  if (typeof value === 'number') return doubleField(2, value);
  return typeof value === 'string' ? textField(3, value) : varintField(4, value ? 1 : 0);
}

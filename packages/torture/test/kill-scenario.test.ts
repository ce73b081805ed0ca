import { it } from 'vitest';
import { killScenario } from '../src/kill/kill-scenario.js';
import { expectSound } from './short-form.js';

it('the short form of kill finds every zero to be one', () => expectSound(killScenario), 600_000);

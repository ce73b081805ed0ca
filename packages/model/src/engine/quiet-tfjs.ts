/** Turns on tfjs's production mode as a side effect of being imported: no banner, no hints, same kernels. */
import { enableProdMode } from '@tensorflow/tfjs-core';

enableProdMode();

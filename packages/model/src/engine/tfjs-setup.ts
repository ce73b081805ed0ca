/**
 * Makes tfjs-core fit for training, whichever engine serves it. Import this module before any other tfjs package.
 *
 * The order of the imports matters. The union package registers the gradients that tfjs-core alone lacks, and the
 * JavaScript kernels. Production mode stops tfjs from writing hints to the console; it has to be on before
 * the kernels register.
 */
import './quiet-tfjs.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';

export { tf };

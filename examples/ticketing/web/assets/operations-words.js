// The texts of the pages for operators, which buyers need not load.

import { teach } from './i18n.js';
import en from './operations-en.js';
import zh from './operations-zh.js';

teach({ en, zh });

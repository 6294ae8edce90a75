// There is no such page.

import { t } from './i18n.js';
import { linkButton, messageBox, runPage } from './page.js';

runPage({
  title: 'missing.title',
  load(main) {
    main.replaceChildren(messageBox({ title: t('missing.title'), text: t('missing.text'), actions: [linkButton('missing.home', '/')] }));
  },
});

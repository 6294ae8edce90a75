'use strict';

const words = {
  en: { outbox: 'Outbox', explained: 'Messages that were not sent, because this is not production.', clear: 'Clear',
    none: 'Nothing yet.', files: 'Files', other: '中文', away: 'The application does not answer.' },
  zh: { outbox: '发件箱', explained: '这里不是生产环境，消息只在此显示，没有发出。', clear: '清空',
    none: '还没有消息。', files: '附件', other: 'English', away: '应用没有响应。' },
};

const base = location.pathname.replace(/\/?$/, '/');
let language = navigator.language.startsWith('zh') ? 'zh' : 'en';
let shown = null;

const word = (name) => words[language][name];

/** An element with texts and elements in it: never markup, since what is shown comes from outside. */
function make(tag, className, ...inner) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inner);
  return element;
}

function article(message) {
  const time = new Date(message.at).toLocaleTimeString(language);
  const about = make('header', '', ...[time, message.channel, message.to, message.template, message.kind]
    .map((text) => make('span', '', text)));
  const box = make('article', '', about);
  if (message.title) box.append(make('h2', '', message.title));
  if (message.text) box.append(make('pre', '', message.text));
  if (message.params.code) box.append(make('div', 'code', message.params.code));
  const values = Object.entries(message.params).filter(([name]) => name !== 'code');
  if (values.length) {
    box.append(make('dl', '', ...values.flatMap(([name, value]) => [make('dt', '', name), make('dd', '', value)])));
  }
  if (message.files.length) box.append(make('p', '', `${word('files')}: ${message.files.join(', ')}`));
  if (message.html) box.append(make('details', '', make('summary', '', 'HTML'), make('pre', '', message.html)));
  return box;
}

function draw(messages) {
  document.documentElement.lang = language;
  document.title = word('outbox');
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = word(element.dataset.word);
  document.getElementById('language').textContent = word('other');
  const main = document.getElementById('messages');
  main.replaceChildren(...(messages.length ? messages.map(article) : [make('p', '', word('none'))]));
}

async function look() {
  try {
    const answer = await fetch(`${base}messages.json`);
    const text = await answer.text();
    if (text !== shown) {
      shown = text;
      draw(JSON.parse(text));
    }
  } catch {
    shown = null;
    document.getElementById('messages').replaceChildren(make('p', '', word('away')));
  }
  setTimeout(look, 1000);
}

document.getElementById('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh';
  draw(JSON.parse(shown ?? '[]'));
});
document.getElementById('clear').addEventListener('click', () => fetch(`${base}messages.json`, { method: 'DELETE' }));
look();

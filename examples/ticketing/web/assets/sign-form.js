// The forms about an account: checks, one request, problems beside their field.

import { ask, post } from './api.js';
import { nextAddress, signedIn } from './account.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { friendly } from './problem.js';

const FIELD_OF = { 'email-taken': 'email', 'password-refused': 'password', 'code-refused': 'code', 'second-factor-refused': 'code' };

/** A code of the second factor. */
export const codeField = { name: 'code', type: 'text', autocomplete: 'one-time-code', maxlength: 64, autocapitalize: 'off', spellcheck: 'false', label: 'field.codeFactor' };

/** What follows on signing in or registering: whoever needs a second factor sets it up first. */
export function enter(answer) {
  signedIn(answer);
  location.replace(answer.second_factor_demanded ? '/account#second-factor' : nextAddress());
}

/**
 * `fields` are `{ name, type, autocomplete, … }`, or `{ name, options }` to choose from; `path` is the API's; without a `title` something else stands above; `foot` stands below the button. A field with
 * `sends(values)` is for a code: a button beside it asks for one, with the path and the body that `sends` gives. A field that
 * is `unsent` is for that request only. `extra` goes along in the body, `done` gets the answer. `prefix` keeps the forms of one page apart.
 */
export function signForm({
  title, lead, submit, path, fields, foot, method = 'POST', signed = false, extra = {}, prefix = '', heading = 'h1', done = enter,
}) {
  const inputs = new Map();
  const problems = new Map();
  const only = new Set();
  const rows = fields.map(({ name, hint, sends, unsent, options, label: words = `field.${name}`, sent = 'code.sent', ...attributes }) => {
    const id = `${prefix}${name}`;
    const error = el('p', { class: 'field-error', id: `${id}-error` });
    const help = (hint || sends) && el('p', { class: 'note', id: `${id}-help`, role: sends && 'status' }, hint && t(hint));
    const described = { id, name, required: true, 'aria-describedby': `${id}-error${help ? ` ${id}-help` : ''}`, ...attributes };
    const input = options ? el('select', described, options.map(([value, text]) => el('option', { value }, text))) : el('input', described);
    input.addEventListener('input', () => complain(name, ''));
    inputs.set(name, input);
    if (unsent) only.add(name);
    problems.set(name, error);
    const label = el('label', { for: id }, t(words));
    if (!sends) return el('div', { class: 'field' }, label, input, help, error);
    const button = el('button', { class: 'button quiet', type: 'button', id: `${id}-send` }, t('code.send'));
    button.addEventListener('click', () => sendCode(sends, button, help, sent));
    return el('div', { class: 'field' }, label, el('div', { class: 'field-with' }, input, button), help, error);
  });
  const general = el('p', { class: 'form-error', role: 'alert' });
  const button = el('button', { class: 'button large', type: 'submit', id: `${prefix}submit` }, t(submit));

  function complain(name, text) {
    problems.get(name).textContent = text;
    if (text) inputs.get(name).setAttribute('aria-invalid', 'true');
    else inputs.get(name).removeAttribute('aria-invalid');
  }

  /** The browser's own rules, in the page's language. */
  function check(names = inputs.keys()) {
    let first = null;
    for (const name of names) {
      const input = inputs.get(name);
      const { valueMissing, typeMismatch, tooShort } = input.validity;
      const key = valueMissing ? 'invalid.missing' : typeMismatch ? 'invalid.email' : tooShort ? 'invalid.short' : null;
      complain(name, key ? t(key, { count: input.minLength }) : '');
      if (key) first ??= input;
    }
    first?.focus();
    return first === null;
  }

  const isSecret = (name) => inputs.get(name).type === 'password';
  const values = (wanted = () => true) => Object.fromEntries([...inputs].filter(([name]) => wanted(name)).map(([name, input]) => [name, isSecret(name) ? input.value : input.value.trim()]));

  function refused(problem) {
    const field = FIELD_OF[problem.code] ?? problem.members?.field;
    if (inputs.has(field)) {
      complain(field, friendly(problem));
      inputs.get(field).focus();
    } else {
      general.textContent = friendly(problem);
    }
  }

  function busy(button, is) {
    if (is) button.setAttribute('aria-disabled', 'true');
    else button.removeAttribute('aria-disabled');
    button.classList.toggle('busy', is);
  }

  async function sendCode(sends, button, help, sent) {
    const needed = [...inputs.keys()].filter((name) => name === 'email' || name === 'phone' || (signed && name === 'password'));
    if (button.getAttribute('aria-disabled') === 'true' || !check(needed)) return;
    general.textContent = '';
    busy(button, true);
    try {
      const [to, body] = sends(values());
      const { expires_in: seconds } = await post(to, body, { signed });
      help.textContent = t(sent, { count: Math.ceil(seconds / 60) });
      inputs.get('code').focus();
    } catch (problem) {
      refused(problem);
    }
    busy(button, false);
  }

  async function send() {
    general.textContent = '';
    busy(button, true);
    try {
      await done(await ask(method, path, { body: { ...extra, ...values((name) => !only.has(name)) }, signed }));
    } catch (problem) {
      refused(problem);
    }
    busy(button, false);
  }

  return el('section', { class: 'sign' }, title && el(heading, {}, t(title)), lead && el('p', { class: 'note' }, t(lead)),
    el('form', { novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      if (button.getAttribute('aria-disabled') !== 'true' && check()) send();
    } } }, rows, general, button),
    foot);
}

// The form of the sign-in and registration pages: checks, one request, problems beside their field.

import { post } from './api.js';
import { nextAddress, signedIn } from './account.js';
import { el } from './dom.js';
import { t } from './i18n.js';
import { friendly } from './problem.js';

const FIELD_OF = { 'email-taken': 'email', 'password-refused': 'password' };

/** `fields` are `{ name, type, autocomplete, … }`; `path` is the API's; `foot` stands below the button. */
export function signForm({ title, lead, submit, path, fields, foot }) {
  const inputs = new Map();
  const problems = new Map();
  const rows = fields.map(({ name, hint, ...attributes }) => {
    const error = el('p', { class: 'field-error', id: `${name}-error` });
    const help = hint && el('p', { class: 'note', id: `${name}-help` }, t(hint));
    const input = el('input', { id: name, name, required: true, 'aria-describedby': `${name}-error${hint ? ` ${name}-help` : ''}`, ...attributes });
    input.addEventListener('input', () => complain(name, ''));
    inputs.set(name, input);
    problems.set(name, error);
    return el('div', { class: 'field' }, el('label', { for: name }, t(`field.${name}`)), input, help, error);
  });
  const general = el('p', { class: 'form-error', role: 'alert' });
  const button = el('button', { class: 'button large', type: 'submit', id: 'submit' }, t(submit));

  function complain(name, text) {
    problems.get(name).textContent = text;
    if (text) inputs.get(name).setAttribute('aria-invalid', 'true');
    else inputs.get(name).removeAttribute('aria-invalid');
  }

  /** The browser's own rules, in the page's language. */
  function check() {
    let first = null;
    for (const [name, input] of inputs) {
      const { valueMissing, typeMismatch, tooShort } = input.validity;
      const key = valueMissing ? 'invalid.missing' : typeMismatch ? 'invalid.email' : tooShort ? 'invalid.short' : null;
      complain(name, key ? t(key, { count: input.minLength }) : '');
      if (key) first ??= input;
    }
    first?.focus();
    return first === null;
  }

  async function send() {
    general.textContent = '';
    button.setAttribute('aria-disabled', 'true');
    button.classList.add('busy');
    try {
      const body = Object.fromEntries([...inputs].map(([name, input]) => [name, name === 'password' ? input.value : input.value.trim()]));
      signedIn(await post(path, body));
      location.replace(nextAddress());
    } catch (problem) {
      const field = FIELD_OF[problem.code] ?? (inputs.has(problem.members?.field) ? problem.members.field : null);
      if (field) {
        complain(field, friendly(problem));
        inputs.get(field).focus();
      } else {
        general.textContent = friendly(problem);
      }
      button.removeAttribute('aria-disabled');
      button.classList.remove('busy');
    }
  }

  return el('section', { class: 'sign' }, el('h1', {}, t(title)), el('p', { class: 'note' }, t(lead)),
    el('form', { novalidate: true, on: { submit: (event) => {
      event.preventDefault();
      if (button.getAttribute('aria-disabled') !== 'true' && check()) send();
    } } }, rows, general, button),
    foot);
}

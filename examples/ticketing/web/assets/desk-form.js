// Forms of the desk: labelled fields, one request, problems beside their field.

import { el } from './dom.js';
import { t } from './i18n.js';
import { friendly } from './problem.js';

function control({ id, name, options, value, ...attributes }) {
  if (!options) return el('input', { id, name, value, ...attributes });
  return el('select', { id, name, ...attributes }, options.map(([key, text]) => el('option', { value: key, selected: key === value }, text)));
}

/**
 * `fields` are `{ name, label, type, options, … }`; `send` gets their values by name and may throw a `Problem`. Extra
 * elements stand between the fields and the button. Where a page has several of a kind, `mark` tells their fields apart.
 */
export function deskForm({ id, title, fields, submit, send, extra = [], mark = '' }) {
  const errors = new Map();
  const inputs = new Map();
  const rows = fields.map(({ label, ...field }) => {
    const input = control({ id: `f-${mark}${field.name}`, 'aria-describedby': `e-${mark}${field.name}`, ...field });
    const error = el('p', { class: 'field-error', id: `e-${mark}${field.name}` });
    inputs.set(field.name, input);
    errors.set(field.name, error);
    return el('div', { class: 'field' }, el('label', { for: input.id }, label ?? t(`desk.field.${field.name}`)), input, error);
  });
  const general = el('p', { class: 'form-error', role: 'alert' });
  const button = el('button', { class: 'button', type: 'submit' }, t(submit));

  const complain = (problem) => {
    const field = problem.members?.field;
    const place = errors.get(field);
    // Of values, the server's sentence says more than the page knows.
    const text = problem.code === 'invalid-value' ? problem.detail : friendly(problem);
    (place ?? general).textContent = text;
    if (!place) return;
    inputs.get(field).setAttribute('aria-invalid', 'true');
    inputs.get(field).focus();
  };

  return el('form', { class: 'panel desk-form', id, on: { submit: async (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    general.textContent = '';
    for (const [name, error] of errors) {
      error.textContent = '';
      inputs.get(name).removeAttribute('aria-invalid');
    }
    button.setAttribute('aria-disabled', 'true');
    try {
      await send(Object.fromEntries([...inputs].map(([name, input]) => [name, input.value.trim()])));
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      complain(problem);
    } finally {
      button.removeAttribute('aria-disabled');
    }
  } } }, el('h2', {}, t(title)), rows, extra, general, button);
}

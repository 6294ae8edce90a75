// The coupons of a merchant: offered, prolonged, stopped.

import { ask, get, post } from './api.js';
import { deskForm } from './desk-form.js';
import { el } from './dom.js';
import { moment } from './format.js';
import { localized, t } from './i18n.js';
import { notify } from './notice.js';
import { friendly } from './problem.js';
import { worth } from './quote.js';

const signed = { signed: true };
const instant = (text) => new Date(text).toISOString();
const yesOrNo = () => [['yes', t('desk.yes')], ['no', t('desk.no')]];
/** For `datetime-local`, in the visitor's time. */
function local(at) {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
const terms = ({ starts_at, ends_at, total, per_buyer, listed, returns, stopped }) => ({ starts_at, ends_at, total, per_buyer, listed, returns, stopped });

function changeForm(desk, coupon) {
  const put = (changes) => ask('PUT', `${desk.path}/coupons/${coupon.id}`, { ...signed, body: { version: coupon.version, ...terms(coupon), ...changes } });
  const stop = async () => {
    try {
      await put({ stopped: !coupon.stopped });
    } catch (problem) {
      if (!('code' in problem)) throw problem;
      notify(friendly(problem), 'bad');
    }
    await desk.draw();
  };
  return [
    el('button', { class: 'button small quiet', type: 'button', 'data-stop': coupon.code, on: { click: stop } }, t(coupon.stopped ? 'desk.coupon.resume' : 'desk.coupon.stop')),
    el('details', {}, el('summary', {}, t('desk.coupon.change')), deskForm({
      id: `coupon-${coupon.id}`, title: 'desk.coupon.change', submit: 'desk.save',
      fields: [
        { name: 'ends_at', type: 'datetime-local', value: local(coupon.ends_at), required: true },
        { name: 'total', type: 'number', min: 1, value: String(coupon.total), required: true },
        { name: 'per_buyer', type: 'number', min: 1, value: String(coupon.per_buyer), required: true },
      ],
      send: async ({ ends_at, total, per_buyer }) => {
        await put({ ends_at: instant(ends_at), total: Number(total), per_buyer: Number(per_buyer) });
        await desk.draw();
      },
    })),
  ];
}

export async function coupons(desk) {
  const { coupons: list } = await get(`${desk.path}/coupons`, signed);
  const write = desk.may('coupon:write');
  const state = ({ stopped, ends_at, starts_at }) => {
    if (stopped) return 'stopped';
    if (Date.parse(ends_at) <= Date.now()) return 'over';
    return Date.parse(starts_at) > Date.now() ? 'soon' : 'good';
  };
  const rows = list.map((coupon) => el('li', { class: 'desk-item', 'data-code': coupon.code },
    el('div', {}, el('strong', {}, localized(coupon, 'title')), el('code', { class: 'note' }, coupon.code),
      el('span', { class: 'note' }, worth(coupon)),
      el('span', { class: 'note' }, `${moment(coupon.starts_at)} – ${moment(coupon.ends_at)}`),
      el('span', { class: 'note' }, t('desk.coupon.counts', { claimed: coupon.claimed, total: coupon.total, used: coupon.used }))),
    el('span', { class: `badge ${state(coupon) === 'good' ? 'badge-open' : 'badge-closed'}` }, t(`desk.coupon.${state(coupon)}`)),
    write && changeForm(desk, coupon)));
  const empty = el('li', { class: 'note' }, t('desk.coupon.none'));
  const add = write && deskForm({
    id: 'new-coupon', title: 'desk.coupon.new', submit: 'desk.add',
    fields: [
      { name: 'code', required: true, maxlength: 32, autocomplete: 'off' }, { name: 'title', required: true }, { name: 'title_zh', required: true },
      { name: 'kind', options: [['percent', t('desk.coupon.kindPercent')], ['amount', t('desk.coupon.kindAmount')]] },
      { name: 'worth', inputmode: 'decimal', required: true }, { name: 'minimum', inputmode: 'decimal', value: '0', required: true },
      { name: 'starts_at', type: 'datetime-local', value: local(Date.now()), required: true },
      { name: 'ends_at', type: 'datetime-local', value: local(Date.now() + 30 * 86_400_000), required: true },
      { name: 'total', type: 'number', min: 1, value: '100', required: true },
      { name: 'per_buyer', type: 'number', min: 1, value: '1', required: true },
      { name: 'listed', options: yesOrNo() }, { name: 'returns', options: yesOrNo() },
    ],
    send: async ({ kind, worth: off, minimum, starts_at, ends_at, total, per_buyer, listed, returns, ...about }) => {
      const yuan = (amount) => ({ amount, currency: 'CNY' });
      await post(`${desk.path}/coupons`, {
        ...about, worth: kind === 'percent' ? { percent: Number(off) } : { amount: yuan(off) }, minimum: yuan(minimum),
        starts_at: instant(starts_at), ends_at: instant(ends_at), total: Number(total), per_buyer: Number(per_buyer),
        listed: listed === 'yes', returns: returns === 'yes',
      }, signed);
      await desk.draw();
    },
  });
  return el('div', { class: 'desk-columns' }, el('ul', { class: 'desk-list' }, rows.length ? rows : empty), add);
}

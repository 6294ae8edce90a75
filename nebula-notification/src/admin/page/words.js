export const words = {
  en: { title: 'Notifications', jobs: 'Jobs', statistics: 'Statistics', templates: 'Templates', other: '中文',
    token: 'Access token, if the application asks for one', address: 'Address', template: 'Template', status: 'Status',
    tenant: 'Tenant', search: 'Search', more: 'More', time: 'Time', channel: 'Channel', reason: 'Reason', attempts: 'Attempts',
    cost: 'Cost', resend: 'Send again', cancel: 'Call back', provider: 'Provider', sent: 'Sent', delivered: 'Delivered',
    undelivered: 'Not delivered', refused: 'Refused', unknown: 'Unknown', rate: 'Sent, ‰', kind: 'Kind', name: 'Name', version: 'Version',
    save: 'Store', preview: 'Preview', remove: 'Remove', fresh: 'New', values: 'Values (JSON)', locale: 'Language',
    stored: 'Stored.', removed: 'Removed.', done: 'Done.', nothing: 'Nothing found.', sure: 'Remove this template?', any: 'any' },
  zh: { title: '通知管理', jobs: '发送记录', statistics: '统计', templates: '模板', other: 'English',
    token: '访问令牌（如应用需要）', address: '地址', template: '模板', status: '状态',
    tenant: '租户', search: '查询', more: '更多', time: '时间', channel: '渠道', reason: '原因', attempts: '尝试',
    cost: '费用', resend: '重新发送', cancel: '撤回', provider: '服务商', sent: '已发送', delivered: '已送达',
    undelivered: '未送达', refused: '被拒绝', unknown: '未知', rate: '成功率 ‰', kind: '类别', name: '名称', version: '版本',
    save: '保存', preview: '预览', remove: '删除', fresh: '新建', values: '参数（JSON）', locale: '语言',
    stored: '已保存。', removed: '已删除。', done: '完成。', nothing: '没有结果。', sure: '删除此模板？', any: '全部' },
};

export const statuses = ['waiting', 'sending', 'accepted', 'delivered', 'unknown', 'failed', 'suppressed', 'expired', 'cancelled'];

/** The server's own words; in English they are what they are. */
export const states = {
  en: {},
  zh: { waiting: '等待中', sending: '发送中', accepted: '已受理', delivered: '已送达', unknown: '结果未知', failed: '失败', suppressed: '已拦截',
    expired: '已过期', cancelled: '已撤回', begun: '进行中', refused: '被拒绝', undelivered: '未送达', sms: '短信', email: '邮件', push: '推送',
    'mini-program': '小程序', webhook: '回调', inbox: '站内信', code: '验证码', notice: '通知', marketing: '营销', alarm: '告警' },
};

-- Removes what the platform keeps in the database, its messages, roles and audit log included, and nothing else.
DROP VIEW IF EXISTS
    all_orders, all_order_seats, all_order_history, all_sold_seats, all_payments, all_charges, all_refunds, all_tickets, all_ticket_scans, all_order_prices, all_counter_sales, all_order_attendees, all_refused_names;
DROP TABLE IF EXISTS
    archived_refused_names, archived_counter_sales, archived_order_attendees, archived_order_prices, archived_ticket_scans, archived_tickets, archived_refunds, archived_charges, archived_payments, archived_sold_seats, archived_order_history, archived_order_seats, archived_orders,
    ticketing_schema, refused_names, known_devices, jobs, sale_reminders, wanted_shows, commissions, till_entries, tills, counter_sales, postal_addresses, attendee_grams, order_attendees, contacts, verified_identities, identities, sale_counts, stock_reports, stock_runs, degradation, blacklist, flash_sessions, reservations, admission_policies, statement_reports, ticket_scans, tickets, mock_refunds, charges, mock_charges, refunds, payment_notifications, payments, sold_seats, order_history, order_seats, orders,
    order_prices, coupons, merchant_invitations,
    nebula_tenant_keys, nebula_tenant_keyrings, nebula_tenant_steps, nebula_tenant_domains, nebula_tenants,
    nebula_rules_coupon, nebula_rules_coupon_template, nebula_rules_document, nebula_rules_active, nebula_rules_schema,
    session_prices, sessions, shows, pictures, plan_seats, plan_categories, plans, venues, former_administrators, users,
    nebula_auth_audit, nebula_auth_rbac_document, nebula_auth_rbac_head, nebula_auth_rbac_holder, nebula_auth_rbac_schema,
    nebula_auth_rbac_user, nebula_auth_session, nebula_auth_proof, nebula_auth_schema,
    nebula_delay_message, nebula_delay_ledger, nebula_delay_mark, nebula_delay_event, nebula_delay_life, nebula_delay_schema,
    nebula_notification_template, nebula_notification_template_version, nebula_notification_job, nebula_notification_key,
    nebula_notification_attempt, nebula_notification_file, nebula_notification_audience, nebula_notification_code,
    nebula_notification_inbox, nebula_notification_schema;
DROP FUNCTION IF EXISTS nebula_auth_audit_refuse

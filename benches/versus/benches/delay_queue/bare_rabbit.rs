//! What anybody would write with the driver alone: one durable quorum queue, confirms, acknowledgements.

use std::sync::Arc;

use futures_util::StreamExt;
use nebula_delay_queue::lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

#[derive(Clone)]
pub(crate) struct BareRabbit {
    channel: Channel,
    queue: Arc<str>,
    _connection: Arc<Connection>,
}

impl BareRabbit {
    pub(crate) async fn connect(url: &str, queue: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, arguments).await.unwrap();
        Self { channel, queue: queue.into(), _connection: Arc::new(connection) }
    }

    /// Publishes, and waits for the broker's confirm.
    pub(crate) async fn publish(&self, body: &str) {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish("".into(), (&*self.queue).into(), options, body.as_bytes(), properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }

    /// Works off `total` messages, acknowledging each.
    pub(crate) async fn deliver(&self, total: usize) {
        self.channel.basic_qos(1_000, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let consumer = self.channel.basic_consume((&*self.queue).into(), "".into(), options, FieldTable::default());
        let mut messages = consumer.await.unwrap().take(total);
        while let Some(message) = messages.next().await {
            message.unwrap().ack(BasicAckOptions::default()).await.unwrap();
        }
    }
}

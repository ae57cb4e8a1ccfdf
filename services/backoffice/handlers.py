"""Which decision answers which message: every statement that anybody makes about an order."""

from services.backoffice import accounts, bought, deliveries, letters, low_stock, saved, uploads
from services.backoffice.domain import SAID, look_again, order_seen, to_order, to_seen
from shared.contracts.backoffice import (
    ActOnWebhook,
    AddWebhook,
    ChangeView,
    ChangeWebhook,
    ChooseLanguage,
    ClaimMail,
    DeliveryAnswered,
    DropUpload,
    KeepSession,
    KeepUpload,
    LookAgain,
    LowStockSeen,
    MailAnswered,
    MailDue,
    MailSupplier,
    NoteBought,
    NoteImported,
    NoteMatched,
    NoteResumed,
    NoteView,
    OpenSession,
    OrderSeen,
    Redeliver,
    RefuseLogin,
    RemoveView,
    SaveView,
    SendMailAgain,
    SetAccount,
    SignedOn,
)
from shared.contracts.inventory import AvailabilityChanged
from shared.contracts.order import WithdrawalReceived
from shared.messaging.decision import Handler, Handlers

HANDLERS: Handlers = {
    OrderSeen: Handler(to_seen, order_seen),
    LookAgain: Handler(to_order, look_again),
    WithdrawalReceived: Handler(letters.to_mail, letters.withdrawn),
    ClaimMail: Handler(letters.to_mail, letters.claim_mail),
    MailAnswered: Handler(letters.to_mail, letters.mail_answered),
    MailDue: Handler(letters.to_mail, letters.mail_due),
    MailSupplier: Handler(bought.to_supplier, bought.mail_supplier),
    SendMailAgain: Handler(letters.to_mail, letters.send_again),
    LowStockSeen: Handler(low_stock.to_low_stock, low_stock.low_stock_seen),
    SetAccount: Handler(accounts.to_setting, accounts.set_account),
    ChooseLanguage: Handler(accounts.to_account, accounts.choose_language),
    OpenSession: Handler(accounts.to_opening, accounts.open_session),
    SignedOn: Handler(accounts.to_opening, accounts.signed_on),
    RefuseLogin: Handler(accounts.to_account, accounts.refuse_login),
    NoteBought: Handler(accounts.to_nothing, accounts.note_bought),
    NoteMatched: Handler(accounts.to_nothing, accounts.note_done),
    NoteResumed: Handler(accounts.to_nothing, accounts.note_done),
    NoteView: Handler(accounts.to_nothing, accounts.note_view),
    KeepSession: Handler(accounts.to_session, accounts.keep_session),
    SaveView: Handler(saved.to_views, saved.save_view),
    ChangeView: Handler(saved.to_views, saved.change_view),
    RemoveView: Handler(saved.to_views, saved.remove_view),
    KeepUpload: Handler(uploads.to_uploads, uploads.keep_upload),
    DropUpload: Handler(uploads.to_uploads, uploads.drop_upload),
    NoteImported: Handler(uploads.to_nothing, uploads.note_imported),
    AddWebhook: Handler(deliveries.to_new, deliveries.add),
    ChangeWebhook: Handler(deliveries.to_webhook, deliveries.change),
    ActOnWebhook: Handler(deliveries.to_webhook, deliveries.act),
    Redeliver: Handler(deliveries.to_webhook, deliveries.redeliver),
    DeliveryAnswered: Handler(deliveries.to_webhook, deliveries.answered, deliveries.to_waiting),
    AvailabilityChanged: deliveries.telling(AvailabilityChanged),
    **{
        fact: deliveries.telling(fact, Handler(*ways))
        for statement, ways in SAID.items()
        for fact in statement.__subclasses__()
    },
}

/*
 * One table by reason, one by language.  A text says nothing that the client
 * does not know of itself, names no rule of the policy, and blames nobody.
 */


#include "ngx_http_gate_refusal_texts.h"

#include "gate_judge.h"


typedef struct {
    const char                     *reason;
    ngx_http_gate_refusal_text_t    texts[GATE_ACCEPT_LANGUAGES];
} ngx_http_gate_refusal_row_t;


static const ngx_http_gate_refusal_row_t  ngx_http_gate_refusal_rows[] = {

    { "certificate", {

      { "A valid certificate is needed",
        "This service asks for a client certificate. Your browser sent none, "
        "or one that cannot be used here, for example because it has expired.",
        "Close your browser completely, open it again and choose the "
        "certificate that your organisation gave you. If that does not help, "
        "ask your administrator for a new one." },

      { "有効な証明書が必要です",
        "このサービスの利用には、クライアント証明書が必要です。"
        "証明書が送られていないか、期限切れなどの理由で"
        "使用できない証明書でした。",
        "ブラウザーをすべて閉じて開き直し、"
        "所属組織から配布された証明書を選んでください。"
        "解決しない場合は、管理者に証明書の再発行を依頼してください。" } } },

    { "issuer", {

      { "This certificate cannot be used here",
        "Your certificate is valid, but it was not issued by an authority "
        "that is accepted here.",
        "If you have another certificate, close your browser completely, "
        "open it again and choose that one. Otherwise ask your administrator "
        "which certificate is needed." },

      { "この証明書は、ここでは使用できません",
        "証明書は有効ですが、ここで認められている認証局が"
        "発行したものではありません。",
        "別の証明書をお持ちの場合は、ブラウザーをすべて閉じて開き直し、"
        "その証明書を選んでください。"
        "お持ちでない場合は、必要な証明書を管理者に確認してください。" } } },

    { "revoked", {

      { "Your certificate has been revoked",
        "The certificate that your browser sent was withdrawn and can no "
        "longer be used.",
        "If you have a newer certificate, close your browser completely, "
        "open it again and choose that one. If you did not expect this, "
        "contact your administrator." },

      { "証明書が失効しています",
        "お使いの証明書は失効しているため、使用できません。",
        "新しい証明書をお持ちの場合は、ブラウザーをすべて閉じて開き直し、"
        "その証明書を選んでください。"
        "お心当たりがない場合は、管理者に連絡してください。" } } },

    { "require", {

      { "You do not have access to this place",
        "You were recognised, but you are not registered as someone who may "
        "open this place.",
        "If you need it for your work, ask whoever is responsible for the "
        "project, or your administrator, to add you." },

      { "アクセス権がありません",
        "ご本人の確認はできましたが、ここを開く権限が登録されていません。",
        "業務で必要な場合は、プロジェクトの責任者または管理者に、"
        "登録を依頼してください。" } } },

    { "held", {

      { "Your access has been suspended",
        "An administrator has suspended your access to this service for the "
        "time being.",
        "Please contact your administrator. Trying again does not help until "
        "the suspension is lifted." },

      { "アクセスが一時停止されています",
        "管理者により、このサービスの利用が一時的に停止されています。",
        "管理者に連絡してください。"
        "停止が解除されるまでは、再度お試しいただいても利用できません。" } } },

    { "country", {

      { "This service is not available from where you are",
        "Connections from the country or region that you seem to be in are "
        "not allowed.",
        "If you use a VPN or a proxy, turn it off and try again. If you are "
        "travelling and need access, ask your administrator." },

      { "この国・地域からは利用できません",
        "接続元と思われる国・地域からの利用は、許可されていません。",
        "VPNやプロキシをお使いの場合は、切断してから、"
        "もう一度お試しください。"
        "出張先などからの利用が必要な場合は、管理者に相談してください。" } } },

    { "unusual_country", {

      { "You are connecting from an unusual country",
        "You have hardly ever used this service from the country or region "
        "that you seem to be in. To protect your data, the request was "
        "stopped.",
        "If you use a VPN or a proxy, turn it off and try again. If you are "
        "travelling, ask your administrator to confirm that it is you." },

      { "普段と異なる国・地域からの接続です",
        "これまでほとんど利用されたことのない国・地域からの接続と"
        "思われるため、データを守るために停止しました。",
        "VPNやプロキシをお使いの場合は、切断してから、"
        "もう一度お試しください。"
        "出張中などの場合は、管理者に連絡し、"
        "ご本人であることの確認を受けてください。" } } },

    { "speed", {

      { "Your location changed too quickly",
        "A short while ago you used this service from a place so far away "
        "that you could not have travelled here since.",
        "If you use a VPN or a proxy, turn it off and try again. If you do "
        "not, somebody else may be using your certificate: contact your "
        "administrator at once." },

      { "接続場所が短時間に大きく変わりました",
        "直前の接続場所から、この時間では移動できないほど"
        "離れた場所からの接続です。",
        "VPNやプロキシをお使いの場合は、切断してから、"
        "もう一度お試しください。"
        "お使いでない場合は、証明書が第三者に使われているおそれがあります。"
        "すぐに管理者に連絡してください。" } } },

    { "anonymous_network", {

      { "Anonymous networks are not allowed here",
        "You seem to be connecting through a VPN, a proxy or the Tor network, "
        "which hides where a connection comes from.",
        "Turn it off, or use the network of your organisation, and try "
        "again." },

      { "匿名のネットワークからは利用できません",
        "VPN、プロキシ、Torなど、接続元を隠すネットワークからの接続と"
        "思われます。",
        "それらを切断するか、所属組織のネットワークに接続して、"
        "もう一度お試しください。" } } },

    { "quota", {

      { "This goes beyond your limit",
        "What you asked for is more than what is left of your limit.",
        "You can try again once the limit opens again. If your work cannot "
        "wait, contact your administrator." },

      { "利用の上限を超えます",
        "ご要求の内容は、利用できる残りの量を超えています。",
        "利用再開の時刻を過ぎてから、もう一度お試しください。"
        "お急ぎの場合は、管理者に連絡してください。" } } },

    { "unavailable", {

      { "The service is not available just now",
        "Your access could not be checked, so the request was stopped. You "
        "did nothing wrong.",
        "Please try again in a few minutes. If it goes on like this, tell "
        "your administrator." },

      { "ただいま利用できません",
        "アクセスの可否を確認できないため、要求を停止しました。"
        "お客様の操作に問題はありません。",
        "数分後に、もう一度お試しください。"
        "改善しない場合は、管理者に連絡してください。" } } }
};


#define NGX_HTTP_GATE_REFUSAL_ROWS                                            \
    (sizeof(ngx_http_gate_refusal_rows)                                       \
     / sizeof(ngx_http_gate_refusal_rows[0]))


/* a new reason wants a text here, or this does not compile */

typedef char  ngx_http_gate_refusal_check_t
    [NGX_HTTP_GATE_REFUSAL_ROWS == GATE_REASONS - 1 ? 1 : -1];


static const ngx_http_gate_refusal_words_t
    ngx_http_gate_refusal_languages[GATE_ACCEPT_LANGUAGES] = {

    { "en", "Limit", "Used", "Opens again",
      "If you ask your administrator, quote this reference:",
      { "@ per hour", "@ per day", "@ per week", "@ per month",
        "@ within #" },
      { "@ bytes", "@ requests", "@ documents" },
      { "@ byte", "@ request", "@ document" },
      { "@ days", "@ hours", "@ minutes", "@ seconds" },
      { "@ day", "@ hour", "@ minute", "@ second" } },

    { "ja", "上限", "使用済み", "利用再開",
      "お問い合わせの際は、次の照会番号をお知らせください。",
      { "1時間に@", "1日に@", "1週間に@", "1か月に@", "直近の#に@" },
      { "@バイト", "@回", "@件" },
      { "@バイト", "@回", "@件" },
      { "@日間", "@時間", "@分間", "@秒間" },
      { "@日間", "@時間", "@分間", "@秒間" } }
};


const ngx_http_gate_refusal_text_t *
ngx_http_gate_refusal_text(gate_reason_e reason,
    gate_accept_language_e language)
{
    ngx_uint_t   i;
    const char  *name;

    name = gate_reason_name(reason);

    for (i = 0; i < NGX_HTTP_GATE_REFUSAL_ROWS; i++) {
        if (ngx_strcmp(ngx_http_gate_refusal_rows[i].reason, name) == 0) {
            return &ngx_http_gate_refusal_rows[i].texts[language];
        }
    }

    return NULL;
}


const ngx_http_gate_refusal_words_t *
ngx_http_gate_refusal_words(gate_accept_language_e language)
{
    return &ngx_http_gate_refusal_languages[language];
}

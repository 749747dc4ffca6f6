/*
 * The judge: which facts let a request pass, which refuse it and why, and
 * which send it to the ledger first.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gate_country.c"
#include "gate_judge.c"
#include "gate_certificate.c"


static const gate_country_t  japan[] = { { "JP", GATE_COUNTRY } };
static const gate_country_t  russia_or_nowhere[] = {
    { "RU", GATE_COUNTRY }, { { 0, 0 }, GATE_COUNTRY }
};
static const gate_country_t  europe[] = { { "EU", GATE_CONTINENT } };
static const gate_country_t  anywhere[] = { { { 0, 0 }, GATE_ANYWHERE } };


/* a verified user in Japan whose two quotas are held */

static gate_quota_fact_t     quotas[2];
static gate_facts_t          facts;
static gate_policy_t         policy;


static gate_quota_fact_t
fact(gate_credit_e credit, uint64_t retry)
{
    gate_quota_fact_t  f;

    memset(&f, 0, sizeof(f));
    f.credit = credit;
    f.retry = retry;

    return f;
}


static int
setup(void **state)
{
    gate_facts_t   someone = {
        .certificate = GATE_CERTIFICATE_VALID, .user = 1,
        .country = "JP", .continent = "AS", .quotas = quotas
    };
    gate_policy_t  staff = {
        .certificate = GATE_REQUIRED, .only_allowed = 1,
        .allow = { japan, 1 }, .nquotas = 2
    };

    (void) state;

    quotas[0] = fact(GATE_CREDIT_TAKEN, 0);
    quotas[1] = fact(GATE_CREDIT_TAKEN, 0);

    facts = someone;
    policy = staff;

    return 0;
}


static void
verdict_is(gate_answer_e answer, const char *reason)
{
    gate_verdict_t  verdict;

    verdict = gate_judge(&policy, &facts);

    assert_int_equal(verdict.answer, answer);
    assert_string_equal(gate_reason_name(verdict.reason), reason);
}


static void
who_keeps_every_rule_passes(void **state)
{
    (void) state;

    verdict_is(GATE_PASS, "");
}


static void
no_certificate_is_refused(void **state)
{
    (void) state;

    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_DENY, "certificate");
}


static void
an_invalid_certificate_is_refused(void **state)
{
    (void) state;

    facts.certificate = GATE_CERTIFICATE_INVALID;
    verdict_is(GATE_DENY, "certificate");
}


static void
where_it_is_optional_none_will_do_but_not_an_invalid_one(void **state)
{
    (void) state;

    policy.certificate = GATE_OPTIONAL;
    verdict_is(GATE_PASS, "");

    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_PASS, "");

    facts.certificate = GATE_CERTIFICATE_INVALID;
    verdict_is(GATE_DENY, "certificate");
}


static void
where_it_is_off_any_certificate_will_do(void **state)
{
    (void) state;

    policy.certificate = GATE_OFF;

    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_PASS, "");

    facts.certificate = GATE_CERTIFICATE_INVALID;
    verdict_is(GATE_PASS, "");
}


static void
a_user_without_a_name_is_refused_even_with_certificates_off(void **state)
{
    (void) state;

    facts.user = 0;
    verdict_is(GATE_DENY, "certificate");

    policy.certificate = GATE_OFF;
    verdict_is(GATE_DENY, "certificate");
}


static void
a_country_that_is_not_allowed_is_refused(void **state)
{
    (void) state;

    facts.country[0] = 'D';
    facts.country[1] = 'E';
    verdict_is(GATE_DENY, "country");

    /* one letter in common is not enough, on either side */

    facts.country[0] = 'J';
    verdict_is(GATE_DENY, "country");

    facts.country[0] = 'D';
    facts.country[1] = 'P';
    verdict_is(GATE_DENY, "country");
}


static void
an_unknown_country_is_not_an_allowed_one(void **state)
{
    (void) state;

    facts.country[0] = 0;
    facts.country[1] = 0;
    verdict_is(GATE_DENY, "country");
}


static void
unknown_can_be_allowed_by_name(void **state)
{
    (void) state;

    policy.allow = (gate_countries_t) { russia_or_nowhere, 2 };

    facts.country[0] = 0;
    facts.country[1] = 0;
    verdict_is(GATE_PASS, "");
}


static void
no_list_allows_every_country(void **state)
{
    (void) state;

    policy.allow.nelts = 0;
    policy.only_allowed = 0;

    facts.country[0] = 'D';
    facts.country[1] = 'E';
    verdict_is(GATE_PASS, "");
}


static void
a_denied_country_is_refused_even_if_allowed(void **state)
{
    (void) state;

    policy.deny = (gate_countries_t) { japan, 1 };
    verdict_is(GATE_DENY, "country");
}


static void
a_continent_is_all_its_countries(void **state)
{
    (void) state;

    policy.allow = (gate_countries_t) { europe, 1 };
    verdict_is(GATE_DENY, "country");

    facts.country[0] = 'D';
    facts.country[1] = 'E';
    facts.continent[0] = 'E';
    facts.continent[1] = 'U';
    verdict_is(GATE_PASS, "");

    policy.deny = (gate_countries_t) { europe, 1 };
    verdict_is(GATE_DENY, "country");
}


static void
a_country_is_not_the_continent_of_the_same_letters(void **state)
{
    (void) state;

    policy.allow = (gate_countries_t) { europe, 1 };

    facts.country[0] = 'E';
    facts.country[1] = 'U';
    verdict_is(GATE_DENY, "country");
}


static void
an_unknown_continent_is_no_continent(void **state)
{
    (void) state;

    policy.allow = (gate_countries_t) { europe, 1 };

    facts.continent[0] = 0;
    facts.continent[1] = 0;
    verdict_is(GATE_DENY, "country");
}


static void
a_user_may_have_countries_of_his_own(void **state)
{
    (void) state;

    facts.country[0] = 'D';
    facts.country[1] = 'E';
    facts.continent[0] = 'E';
    facts.continent[1] = 'U';
    verdict_is(GATE_DENY, "country");

    facts.allow = (gate_countries_t) { europe, 1 };
    verdict_is(GATE_PASS, "");

    facts.deny = (gate_countries_t) { europe, 1 };
    verdict_is(GATE_DENY, "country");
}


static void
a_user_whose_own_list_is_empty_has_no_country(void **state)
{
    (void) state;

    policy.allow.nelts = 0;
    verdict_is(GATE_DENY, "country");
}


static void
any_is_every_country_and_unknown(void **state)
{
    (void) state;

    facts.allow = (gate_countries_t) { anywhere, 1 };
    verdict_is(GATE_PASS, "");

    facts.country[0] = 0;
    facts.country[1] = 0;
    verdict_is(GATE_PASS, "");

    policy.deny = (gate_countries_t) { anywhere, 1 };
    verdict_is(GATE_DENY, "country");
}


static void
a_list_that_is_none_lets_nobody_in(void **state)
{
    (void) state;

    facts.countries_invalid = 1;
    verdict_is(GATE_DENY, "unavailable");
}


static void
who_is_exempt_passes_all_rules_of_geography(void **state)
{
    (void) state;

    facts.exempt = 1;
    facts.countries_invalid = 1;
    facts.country[0] = 'D';
    policy.deny = (gate_countries_t) { anywhere, 1 };
    verdict_is(GATE_PASS, "");

    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_DENY, "certificate");

    facts.certificate = GATE_CERTIFICATE_VALID;
    quotas[0].credit = GATE_CREDIT_REFUSED;
    verdict_is(GATE_DENY, "quota");
}


static void
words_of_countries(void **state)
{
    gate_country_t  country;

    (void) state;

    assert_int_equal(gate_country_read("jP", 2, &country), 0);
    assert_memory_equal(country.code, "JP", 2);
    assert_int_equal(country.scope, GATE_COUNTRY);

    assert_int_equal(gate_country_read("unknown", 7, &country), 0);
    assert_memory_equal(country.code, "\0\0", 2);
    assert_int_equal(country.scope, GATE_COUNTRY);

    assert_int_equal(gate_country_read("continent:eu", 12, &country), 0);
    assert_memory_equal(country.code, "EU", 2);
    assert_int_equal(country.scope, GATE_CONTINENT);

    assert_int_equal(gate_country_read("any", 3, &country), 0);
    assert_int_equal(country.scope, GATE_ANYWHERE);
}


static void
other_words_are_no_countries(void **state)
{
    size_t          i;
    gate_country_t  country;

    static const char *const  words[] = {
        "", "J", "JPN", "J1", "??", "\xc3\x84", "Unknown", "ANY", "continent",
        "continent:", "continent:E", "continent:XX", "continent:UA",
        "continent:EUR", "Continent:EU", "continent EU"
    };

    (void) state;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(gate_country_read(words[i], strlen(words[i]),
                                           &country), -1);
    }
}


/* the number of words, or -1 */

static int
listed(const char *text)
{
    int              rc;
    size_t           n, len;
    gate_country_t  *list;

    len = strlen(text);
    list = malloc(gate_country_room(len) * sizeof(gate_country_t));
    rc = gate_country_list(text, len, list, &n);
    free(list);

    return rc == 0 ? (int) n : rc;
}


static void
a_list_has_commas_or_blanks_between(void **state)
{
    (void) state;

    assert_int_equal(listed(""), 0);
    assert_int_equal(listed(" ,"), 0);
    assert_int_equal(listed("JP"), 1);
    assert_int_equal(listed("JP,DE"), 2);
    assert_int_equal(listed(" JP, DE  continent:EU,\tunknown,"), 4);
    assert_int_equal(listed("aa bb cc dd ee ff gg hh"), 8);
    assert_int_equal(listed("J"), -1);
    assert_int_equal(listed("JP;DE"), -1);
    assert_int_equal(listed("JP DE x"), -1);
    assert_int_equal(listed("JP\nDE"), -1);
    assert_int_equal(listed("Japan"), -1);
}


/* lists as nginx.conf has them; "" allows all, "$" somebody something */

static int
refused(const char *allow, const char *deny, const char *word)
{
    gate_country_t    a[8], d[8], country;
    gate_countries_t  allowed = { a, 0 }, denied = { d, 0 };

    assert_int_equal(gate_country_read(word, strlen(word), &country), 0);
    assert_int_equal(gate_country_list(deny, strlen(deny), d,
                                       &denied.nelts), 0);

    if (*allow == '\0' || *allow == '$') {
        return gate_country_refused(NULL, &denied, &country);
    }

    assert_int_equal(gate_country_list(allow, strlen(allow), a,
                                       &allowed.nelts), 0);

    return gate_country_refused(&allowed, &denied, &country);
}


static void
a_country_is_refused_to_all_if_no_list_can_allow_it(void **state)
{
    (void) state;

    assert_true(refused("", "KP", "KP"));
    assert_true(refused("", "RU KP", "kp"));
    assert_true(refused("", "any", "KP"));
    assert_true(refused("JP DE", "", "KP"));
    assert_true(refused("JP KP", "KP", "KP"));
    assert_true(refused("JP", "", "unknown"));
    assert_true(refused("", "unknown", "unknown"));
    assert_true(refused("", "continent:EU", "continent:EU"));
    assert_true(refused("continent:AS", "", "continent:EU"));
    assert_true(refused(" ", "", "KP"));
    assert_true(refused(" ", "", "any"));
    assert_true(refused("JP", "any", "any"));

    assert_false(refused("", "", "KP"));
    assert_false(refused("$", "RU", "KP"));
    assert_false(refused("JP KP", "", "KP"));
    assert_false(refused("any", "", "KP"));
    assert_false(refused("JP unknown", "", "unknown"));
    assert_false(refused("JP", "", "any"));
    assert_false(refused("", "KP", "any"));

    /* nobody says in which continent */

    assert_false(refused("continent:AS", "", "KP"));
    assert_false(refused("", "continent:AS", "KP"));
    assert_false(refused("JP", "", "continent:EU"));
    assert_false(refused("continent:EU", "", "unknown"));
    assert_false(refused("", "KP", "continent:AS"));
}


static void
unusual_is(gate_mode_e unusual, gate_familiar_e familiar,
    gate_answer_e answer, const char *reason)
{
    policy.familiar.mode = unusual;
    facts.familiar = familiar;
    verdict_is(answer, reason);
}


static void
an_unusual_country_is_refused_where_it_is_denied(void **state)
{
    (void) state;

    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_USUAL, GATE_PASS, "");
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_LEARNING, GATE_PASS, "");
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNUSUAL, GATE_DENY,
               "unusual_country");

    unusual_is(GATE_MODE_REPORT, GATE_FAMILIAR_UNUSUAL, GATE_PASS, "");
    unusual_is(GATE_MODE_OFF, GATE_FAMILIAR_UNUSUAL, GATE_PASS, "");
    unusual_is(GATE_MODE_OFF, GATE_FAMILIAR_UNKNOWN, GATE_PASS, "");
}


static void
what_is_usual_is_asked_before_any_quota(void **state)
{
    (void) state;

    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNKNOWN, GATE_ASK,
               "unusual_country");
    unusual_is(GATE_MODE_REPORT, GATE_FAMILIAR_UNKNOWN, GATE_ASK,
               "unusual_country");

    quotas[0].credit = GATE_CREDIT_REFUSED;
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNKNOWN, GATE_ASK,
               "unusual_country");
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_USUAL, GATE_DENY, "quota");

    /* but not of who is refused by a list */

    facts.country[0] = 'D';
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNKNOWN, GATE_DENY,
               "country");
}


static void
what_is_usual_for_all_or_exempt_is_not_asked(void **state)
{
    (void) state;

    policy.usual = (gate_countries_t) { japan, 1 };
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNKNOWN, GATE_PASS, "");

    facts.usual = policy.usual;
    policy.usual.nelts = 0;
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNUSUAL, GATE_PASS, "");

    facts.usual = (gate_countries_t) { europe, 1 };
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNUSUAL, GATE_DENY,
               "unusual_country");

    facts.exempt = 1;
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_UNUSUAL, GATE_PASS, "");
}


static void
with_the_store_down_nobody_knows_what_is_usual(void **state)
{
    (void) state;

    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_DOWN, GATE_DENY,
               "unavailable");
    unusual_is(GATE_MODE_REPORT, GATE_FAMILIAR_DOWN, GATE_PASS, "");

    policy.store_down = 500;
    unusual_is(GATE_MODE_DENY, GATE_FAMILIAR_DOWN, GATE_PASS, "");
}


static void
anonymous_is(unsigned kinds, unsigned anonymous, const char *reason)
{
    policy.anonymous = (gate_anonymous_rule_t) { GATE_MODE_DENY, kinds };
    facts.anonymous = anonymous;
    verdict_is(*reason ? GATE_DENY : GATE_PASS, reason);
}


static void
an_anonymous_network_is_refused_if_it_is_of_a_kind_named(void **state)
{
    const char  *reason = "anonymous_network";

    (void) state;

    anonymous_is(GATE_ANONYMOUS_TOR, GATE_ANONYMOUS_TOR, reason);
    anonymous_is(GATE_ANONYMOUS_TOR, GATE_ANONYMOUS_VPN, "");
    anonymous_is(GATE_ANONYMOUS_TOR, 0, "");
    anonymous_is(GATE_ANONYMOUS_TOR|GATE_ANONYMOUS_VPN,
                 GATE_ANONYMOUS_VPN|GATE_ANONYMOUS_HOSTING, reason);
    anonymous_is(0, ~0U, "");
}


/* databases say "anonymous" of all that they name a kind of, hosting, too */

static void
anonymous_without_a_kind_counts_only_alone(void **state)
{
    const char  *reason = "anonymous_network";

    (void) state;

    anonymous_is(GATE_ANONYMOUS_ANY|GATE_ANONYMOUS_VPN, GATE_ANONYMOUS_ANY,
                 reason);
    anonymous_is(GATE_ANONYMOUS_ANY|GATE_ANONYMOUS_VPN,
                 GATE_ANONYMOUS_ANY|GATE_ANONYMOUS_HOSTING, "");
    anonymous_is(GATE_ANONYMOUS_ANY|GATE_ANONYMOUS_VPN,
                 GATE_ANONYMOUS_ANY|GATE_ANONYMOUS_VPN, reason);
    anonymous_is(GATE_ANONYMOUS_VPN, GATE_ANONYMOUS_ANY, "");
}


static void
an_anonymous_network_comes_after_lists_and_before_what_is_asked(void **state)
{
    (void) state;

    policy.familiar.mode = GATE_MODE_DENY;
    anonymous_is(GATE_ANONYMOUS_TOR, GATE_ANONYMOUS_TOR, "anonymous_network");

    facts.country[0] = 'D';
    anonymous_is(GATE_ANONYMOUS_TOR, GATE_ANONYMOUS_TOR, "country");

    facts.exempt = 1;
    anonymous_is(GATE_ANONYMOUS_TOR, GATE_ANONYMOUS_TOR, "");
}


static void
notices_are(const char *words)
{
    char    text[GATE_NOTICES_LEN + 1];
    size_t  n;

    n = gate_notices_text(gate_judge_notices(&policy, &facts), text);

    assert_true(n <= GATE_NOTICES_LEN);
    text[n] = '\0';

    assert_string_equal(text, words);
}


static void
what_is_only_reported_is_a_notice(void **state)
{
    (void) state;

    facts.familiar = GATE_FAMILIAR_UNUSUAL;
    policy.familiar.mode = GATE_MODE_REPORT;
    notices_are("unusual_country");

    facts.familiar = GATE_FAMILIAR_LEARNING;
    notices_are("");

    facts.familiar = GATE_FAMILIAR_UNUSUAL;
    policy.familiar.mode = GATE_MODE_DENY;
    notices_are("");

    policy.familiar.mode = GATE_MODE_REPORT;
    facts.exempt = 1;
    notices_are("");
}


static void
an_anonymous_network_may_be_a_notice_and_another_one_beside(void **state)
{
    (void) state;

    facts.anonymous = GATE_ANONYMOUS_TOR;
    facts.familiar = GATE_FAMILIAR_UNUSUAL;
    policy.anonymous.kinds = GATE_ANONYMOUS_TOR;
    policy.anonymous.mode = GATE_MODE_REPORT;
    verdict_is(GATE_PASS, "");
    notices_are("anonymous_network");

    policy.familiar.mode = GATE_MODE_REPORT;
    notices_are("anonymous_network,unusual_country");

    policy.anonymous.mode = GATE_MODE_OFF;
    verdict_is(GATE_PASS, "");
    notices_are("unusual_country");

    policy.anonymous.mode = GATE_MODE_REPORT;
    facts.exempt = 1;
    notices_are("");
}


static void
journey_is(gate_mode_e mode, gate_journey_e journey, gate_answer_e answer,
    const char *reason)
{
    policy.journey.mode = mode;
    facts.located = 1;
    facts.journey = journey;
    verdict_is(answer, reason);
}


static void
an_impossible_journey_is_refused_where_it_is_denied(void **state)
{
    (void) state;

    journey_is(GATE_MODE_DENY, GATE_JOURNEY_IMPOSSIBLE, GATE_DENY, "speed");
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_POSSIBLE, GATE_PASS, "");
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_NONE, GATE_PASS, "");
    notices_are("");

    journey_is(GATE_MODE_OFF, GATE_JOURNEY_IMPOSSIBLE, GATE_PASS, "");
    journey_is(GATE_MODE_OFF, GATE_JOURNEY_UNKNOWN, GATE_PASS, "");
    notices_are("");

    journey_is(GATE_MODE_REPORT, GATE_JOURNEY_IMPOSSIBLE, GATE_PASS, "");
    notices_are("speed");

    facts.exempt = 1;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_IMPOSSIBLE, GATE_PASS, "");
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_UNKNOWN, GATE_PASS, "");
    journey_is(GATE_MODE_REPORT, GATE_JOURNEY_IMPOSSIBLE, GATE_PASS, "");
    notices_are("");
}


static void
a_journey_is_asked_for_after_the_country_and_before_any_quota(void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_SHORT;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_UNKNOWN, GATE_ASK, "speed");
    journey_is(GATE_MODE_REPORT, GATE_JOURNEY_UNKNOWN, GATE_ASK, "speed");

    policy.familiar.mode = GATE_MODE_DENY;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_UNKNOWN, GATE_ASK,
               "unusual_country");
    facts.familiar = GATE_FAMILIAR_UNUSUAL;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_IMPOSSIBLE, GATE_DENY,
               "unusual_country");
    facts.familiar = GATE_FAMILIAR_USUAL;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_UNKNOWN, GATE_ASK, "speed");

    facts.country[0] = 'D';
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_UNKNOWN, GATE_DENY, "country");
}


static void
who_is_nowhere_makes_no_journey(void **state)
{
    (void) state;

    policy.journey.mode = GATE_MODE_DENY;
    verdict_is(GATE_PASS, "");
}


static void
with_the_store_down_nobody_knows_a_journey(void **state)
{
    (void) state;

    journey_is(GATE_MODE_DENY, GATE_JOURNEY_DOWN, GATE_DENY, "unavailable");
    journey_is(GATE_MODE_REPORT, GATE_JOURNEY_DOWN, GATE_PASS, "");

    policy.store_down = 500;
    journey_is(GATE_MODE_DENY, GATE_JOURNEY_DOWN, GATE_PASS, "");
}


static void
the_words_of_all_notices_have_room(void **state)
{
    char    text[GATE_NOTICES_LEN];

    (void) state;

    assert_int_equal(gate_notices_text(0, text), 0);
    assert_true(gate_notices_text(UINT32_MAX, text) <= GATE_NOTICES_LEN);
}


static void
what_is_required_comes_after_the_certificate_and_before_the_country(
    void **state)
{
    (void) state;

    facts.denied = 1;
    verdict_is(GATE_DENY, "require");

    facts.country[0] = 'D';
    verdict_is(GATE_DENY, "require");

    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_DENY, "certificate");
}


static void
who_is_held_is_told_so_before_the_country(void **state)
{
    (void) state;

    facts.held = GATE_HELD_YES;
    facts.country[0] = 'D';
    verdict_is(GATE_DENY, "held");

    facts.denied = 1;
    verdict_is(GATE_DENY, "require");
}


static void
who_is_held_is_asked_and_if_nobody_says_the_policy_does(void **state)
{
    (void) state;

    facts.held = GATE_HELD_UNKNOWN;
    verdict_is(GATE_ASK, "held");

    facts.held = GATE_HELD_DOWN;
    verdict_is(GATE_DENY, "unavailable");

    policy.store_down = 1000;
    assert_int_equal(gate_judge_first(&policy, &facts).answer, GATE_PASS);
}


static void
certificate_comes_before_country_and_country_before_quota(void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_REFUSED;
    facts.country[0] = 'D';
    facts.certificate = GATE_CERTIFICATE_NONE;
    verdict_is(GATE_DENY, "certificate");

    facts.certificate = GATE_CERTIFICATE_VALID;
    verdict_is(GATE_DENY, "country");

    facts.country[0] = 'J';
    verdict_is(GATE_DENY, "quota");
}


static void
who_is_refused_anyway_asks_nobody(void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_SHORT;
    facts.country[0] = 'D';
    verdict_is(GATE_DENY, "country");
}


static void
a_policy_without_quotas_needs_no_ledger(void **state)
{
    (void) state;

    policy.nquotas = 0;
    facts.quotas = NULL;
    facts.store = GATE_STORE_DOWN;
    verdict_is(GATE_PASS, "");
}


static void
credit_that_is_unknown_or_short_is_asked_for(void **state)
{
    (void) state;

    quotas[1].credit = GATE_CREDIT_UNKNOWN;
    verdict_is(GATE_ASK, "");

    quotas[1].credit = GATE_CREDIT_SHORT;
    verdict_is(GATE_ASK, "");
}


static void
with_the_store_down_nobody_is_asked(void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_SHORT;
    facts.store = GATE_STORE_DOWN;
    verdict_is(GATE_DENY, "unavailable");
}


static void
with_the_store_down_who_holds_credit_passes(void **state)
{
    (void) state;

    facts.store = GATE_STORE_DOWN;
    verdict_is(GATE_PASS, "");
}


static void
one_refused_quota_is_enough(void **state)
{
    gate_verdict_t  verdict;

    (void) state;

    quotas[1] = fact(GATE_CREDIT_REFUSED, 7000);
    verdict_is(GATE_DENY, "quota");

    verdict = gate_judge(&policy, &facts);
    assert_int_equal(verdict.quota, 1);
    assert_int_equal(verdict.retry, 7000);
}


static void
a_refused_quota_is_told_whether_another_is_short_or_the_store_down(
    void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_SHORT;
    quotas[1].credit = GATE_CREDIT_REFUSED;
    verdict_is(GATE_DENY, "quota");

    quotas[0].credit = GATE_CREDIT_REFUSED;
    quotas[1].credit = GATE_CREDIT_SHORT;
    verdict_is(GATE_DENY, "quota");

    facts.store = GATE_STORE_DOWN;
    verdict_is(GATE_DENY, "quota");
}


static void
of_refused_quotas_the_one_that_opens_last_is_told(void **state)
{
    gate_verdict_t  verdict;

    (void) state;

    quotas[0] = fact(GATE_CREDIT_REFUSED, 5000);
    quotas[1] = fact(GATE_CREDIT_REFUSED, 9000);

    verdict = gate_judge(&policy, &facts);
    assert_int_equal(verdict.quota, 1);
    assert_int_equal(verdict.retry, 9000);

    quotas[0].retry = 9001;

    verdict = gate_judge(&policy, &facts);
    assert_int_equal(verdict.quota, 0);
    assert_int_equal(verdict.retry, 9001);
}


static void
a_limit_that_is_no_number_lets_nobody_in(void **state)
{
    (void) state;

    quotas[0].credit = GATE_CREDIT_INVALID;
    verdict_is(GATE_DENY, "unavailable");

    quotas[0].credit = GATE_CREDIT_TAKEN;
    quotas[1].credit = GATE_CREDIT_INVALID;
    verdict_is(GATE_DENY, "unavailable");
}


/* the verdict on an invalid limit must not name the quota refused before it */

static void
unavailable_has_no_time_to_retry_after(void **state)
{
    gate_verdict_t  verdict;

    (void) state;

    quotas[0].credit = GATE_CREDIT_SHORT;
    facts.store = GATE_STORE_DOWN;

    verdict = gate_judge(&policy, &facts);
    assert_int_equal(verdict.retry, 0);
}


static void
only_with_the_store_down_may_be_borrowed(void **state)
{
    (void) state;

    policy.store_down = 500;
    assert_int_equal(gate_judge_borrow(&policy, &facts), 0);

    facts.store = GATE_STORE_DOWN;
    assert_int_equal(gate_judge_borrow(&policy, &facts), 500);

    policy.store_down = 0;
    assert_int_equal(gate_judge_borrow(&policy, &facts), 0);
}


static void
every_reason_has_a_word(void **state)
{
    int  i;

    (void) state;

    assert_string_equal(gate_reason_name(GATE_REASON_NONE), "");

    for (i = GATE_REASON_NONE + 1; i < GATE_REASONS; i++) {
        assert_string_not_equal(gate_reason_name((gate_reason_e) i), "");
    }

    assert_string_equal(gate_reason_name(GATE_REASONS), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(who_keeps_every_rule_passes, setup),
        cmocka_unit_test_setup(no_certificate_is_refused, setup),
        cmocka_unit_test_setup(an_invalid_certificate_is_refused, setup),
        cmocka_unit_test_setup(
            where_it_is_optional_none_will_do_but_not_an_invalid_one, setup),
        cmocka_unit_test_setup(where_it_is_off_any_certificate_will_do, setup),
        cmocka_unit_test_setup(
            a_user_without_a_name_is_refused_even_with_certificates_off,
            setup),
        cmocka_unit_test_setup(a_country_that_is_not_allowed_is_refused,
                               setup),
        cmocka_unit_test_setup(an_unknown_country_is_not_an_allowed_one,
                               setup),
        cmocka_unit_test_setup(unknown_can_be_allowed_by_name, setup),
        cmocka_unit_test_setup(no_list_allows_every_country, setup),
        cmocka_unit_test_setup(a_denied_country_is_refused_even_if_allowed,
                               setup),
        cmocka_unit_test_setup(a_continent_is_all_its_countries, setup),
        cmocka_unit_test_setup(
            a_country_is_not_the_continent_of_the_same_letters, setup),
        cmocka_unit_test_setup(an_unknown_continent_is_no_continent, setup),
        cmocka_unit_test_setup(a_user_may_have_countries_of_his_own, setup),
        cmocka_unit_test_setup(a_user_whose_own_list_is_empty_has_no_country,
                               setup),
        cmocka_unit_test_setup(any_is_every_country_and_unknown, setup),
        cmocka_unit_test_setup(a_list_that_is_none_lets_nobody_in, setup),
        cmocka_unit_test_setup(who_is_exempt_passes_all_rules_of_geography,
                               setup),
        cmocka_unit_test(words_of_countries),
        cmocka_unit_test(other_words_are_no_countries),
        cmocka_unit_test(a_list_has_commas_or_blanks_between),
        cmocka_unit_test_setup(
            an_unusual_country_is_refused_where_it_is_denied, setup),
        cmocka_unit_test_setup(what_is_usual_is_asked_before_any_quota, setup),
        cmocka_unit_test_setup(what_is_usual_for_all_or_exempt_is_not_asked,
                               setup),
        cmocka_unit_test_setup(with_the_store_down_nobody_knows_what_is_usual,
                               setup),
        cmocka_unit_test_setup(what_is_only_reported_is_a_notice, setup),
        cmocka_unit_test_setup(
            an_anonymous_network_is_refused_if_it_is_of_a_kind_named, setup),
        cmocka_unit_test_setup(anonymous_without_a_kind_counts_only_alone,
                               setup),
        cmocka_unit_test_setup(
            an_anonymous_network_comes_after_lists_and_before_what_is_asked,
            setup),
        cmocka_unit_test_setup(
            an_anonymous_network_may_be_a_notice_and_another_one_beside,
            setup),
        cmocka_unit_test_setup(
            an_impossible_journey_is_refused_where_it_is_denied, setup),
        cmocka_unit_test_setup(
            a_journey_is_asked_for_after_the_country_and_before_any_quota,
            setup),
        cmocka_unit_test_setup(who_is_nowhere_makes_no_journey, setup),
        cmocka_unit_test_setup(with_the_store_down_nobody_knows_a_journey,
                               setup),
        cmocka_unit_test_setup(the_words_of_all_notices_have_room, setup),
        cmocka_unit_test(a_country_is_refused_to_all_if_no_list_can_allow_it),
        cmocka_unit_test_setup(
            what_is_required_comes_after_the_certificate_and_before_the_country,
            setup),
        cmocka_unit_test_setup(who_is_held_is_told_so_before_the_country,
                               setup),
        cmocka_unit_test_setup(
            who_is_held_is_asked_and_if_nobody_says_the_policy_does, setup),
        cmocka_unit_test_setup(
            certificate_comes_before_country_and_country_before_quota, setup),
        cmocka_unit_test_setup(who_is_refused_anyway_asks_nobody, setup),
        cmocka_unit_test_setup(a_policy_without_quotas_needs_no_ledger, setup),
        cmocka_unit_test_setup(credit_that_is_unknown_or_short_is_asked_for,
                               setup),
        cmocka_unit_test_setup(with_the_store_down_nobody_is_asked, setup),
        cmocka_unit_test_setup(with_the_store_down_who_holds_credit_passes,
                               setup),
        cmocka_unit_test_setup(one_refused_quota_is_enough, setup),
        cmocka_unit_test_setup(
            a_refused_quota_is_told_whether_another_is_short_or_the_store_down,
            setup),
        cmocka_unit_test_setup(
            of_refused_quotas_the_one_that_opens_last_is_told, setup),
        cmocka_unit_test_setup(a_limit_that_is_no_number_lets_nobody_in,
                               setup),
        cmocka_unit_test_setup(unavailable_has_no_time_to_retry_after, setup),
        cmocka_unit_test_setup(only_with_the_store_down_may_be_borrowed,
                               setup),
        cmocka_unit_test_setup(every_reason_has_a_word, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#!/usr/bin/perl

# Lists of countries: continents, a user's own, and networks that are exempt.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %from = (
    JP      => '203.0.113.5',
    DE      => '198.51.100.5',
    FR      => '198.51.100.133',
    nowhere => '192.0.2.5',
    europe  => '192.0.2.133',       # of no country
    JP6     => '2001:db8:1::5',
    office  => '10.1.2.3',
    office6 => '2001:db8:ffff::1',
);

my $t = Test::Gate->new;

sub record { return { country => { iso_code => $_[0] },
                      continent => { code => $_[1] } } }

$t->countries('203.0.113.0/24' => record('JP', 'AS'),
              '198.51.100.0/25' => record('DE', 'EU'),
              '198.51.100.128/25' => record('FR', 'EU'),
              '192.0.2.128/25' => { continent => { code => 'EU' } },
              '10.0.0.0/8' => record('US', 'NA'),
              '2001:db8:1::/48' => record('JP', 'AS'));

$t->document('report', 1000);

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    map $gate_user $countries {
        alice    "DE";
        bob      "jp, de,FR";
        carol    "continent:EU unknown";
        dave     any;
        erin     "";
        frank    "Japan";
        grace    "JP,DE;FR";
        default  JP;
    }

    map $arg_deny $denied { default $arg_deny; }

    gate_policy europe {
        user           $arg_user;
        certificate    off;
        allow_country  continent:EU;
        deny_country   FR;
    }

    gate_policy own {
        user           $arg_user;
        certificate    off;
        allow_country  $countries;
    }

    gate_policy both {
        user           $arg_user;
        certificate    off;
        allow_country  JP "$countries";
        deny_country   $denied;
    }

    gate_policy office {
        user           $arg_user;
        certificate    off;
        allow_country  JP $countries;
        deny_country   any;
        allow_network  10.1.0.0/16 2001:db8:ffff::/48 192.0.2.5;
    }

    gate_policy strict {
        user           $gate_cert_cn;
        allow_country  JP;
        allow_network  10.1.0.0/16;
    }
END
        location /europe/  { gate europe;  alias %%DIR%%/docs/; }
        location /own/     { gate own;     alias %%DIR%%/docs/; }
        location /both/    { gate both;    alias %%DIR%%/docs/; }
        location /office/  { gate office;  alias %%DIR%%/docs/; }
        location /strict/  { gate strict;  alias %%DIR%%/docs/; }
        location /dry/     { gate own;     alias %%DIR%%/docs/;
                             gate_dry_run on; }
END2

my $lines = 0;

# a continent

is(at('europe', 'DE'), '200 PASSED', 'a country of the continent passes');
is(at('europe', 'JP'), '403 DENIED country', 'another does not');
is(at('europe', 'FR'), '403 DENIED country', 'one that is denied does not');
is(at('europe', 'europe'), '200 PASSED',
   'a continent may be known where the country is not');
is(at('europe', 'nowhere'), '403 DENIED country', 'nowhere is no continent');

# a list for each user

is(at('own', 'DE', 'alice'), '200 PASSED', 'one country of his own');
is(at('own', 'JP', 'alice'), '403 DENIED country', 'and no other');
is(at('own', 'JP', 'zoe'), '200 PASSED', 'the next has another');
is(at('own', $_, 'bob'), '200 PASSED', "a list: $_") for qw(JP DE FR JP6);
is(at('own', 'nowhere', 'bob'), '403 DENIED country', 'a list: not elsewhere');
is(at('own', $_, 'carol'), '200 PASSED', "a continent and unknown: $_")
    for qw(DE FR europe nowhere);
is(at('own', 'JP', 'carol'), '403 DENIED country', 'and no other continent');
is(at('own', $_, 'dave'), '200 PASSED', "any: $_")
    for qw(JP DE nowhere office);
is(at('own', $_, 'erin'), '403 DENIED country', "an empty list: not $_")
    for qw(JP nowhere);

# the policy's and the user's

is(at('both', 'JP', 'alice'), '200 PASSED', "the policy's country");
is(at('both', 'DE', 'alice'), '200 PASSED', "and the user's");
is(at('both', 'FR', 'alice'), '403 DENIED country', 'and no other');
is(at('both', 'JP', 'erin'), '200 PASSED', 'an empty list adds nothing');
is(at('both', 'JP', 'alice&deny=JP'), '403 DENIED country',
   'what is denied by a variable is denied');
is(at('both', 'DE', 'alice&deny=JP'), '200 PASSED', 'others are not');

# nonsense

is(at('own', 'JP', 'frank'), '503 DENIED unavailable',
   'what is no list lets nobody pass');
is($nginx->said(qr/\[error\].* gate: the "allow_country" of policy "own" /), 1,
   'and is told once');
is($nginx->said(qr/ is no list of countries: "Japan", client: /), 1,
   'with its text');
is(at('own', 'JP', 'grace'), '503 DENIED unavailable',
   'nor what is one in part');
is(at('both', 'JP', 'frank'), '503 DENIED unavailable',
   'nor whom the policy itself would let pass');
is(at('both', 'JP', 'alice&deny=X'), '503 DENIED unavailable',
   'nor if it says whom to deny');
is($nginx->said(qr/gate: the "deny_country" of policy "both" is no list/), 1,
   'which is told by its name');
is(at('both', 'JP', 'frank&deny=X'), '503 DENIED unavailable', 'both are none');
is($nginx->said(qr/is no list of countries/), 5, 'one line for each request');
is(at('dry', 'JP', 'frank'), '200 DENIED_DRY_RUN unavailable',
   'a dry run lets it pass');

# an office

is(at('office', 'JP'), '403 DENIED country', 'who is not in the office');
is(at('office', $_), '200 PASSED', "the network of $_")
    for qw(office office6 nowhere);
is(at('office', 'europe'), '403 DENIED country',
   'one address is not its neighbours');
is(at('office', 'office', 'frank'), '200 PASSED',
   'nobody reads the list of who is exempt');
is($nginx->said(qr/is no list of countries/), 6, 'or complains of it');
is(at('strict', 'office'), '403 DENIED certificate',
   'the office is not exempt from other rules');

$t->done;

# What a request of a user from there comes to.

sub at {
    my ($policy, $from, $user) = @_;

    $user //= 'zoe';

    my $r = $t->get("/$policy/report?user=$user", from => $from{$from},
                    close => 1);
    my ($verdict, $reason) = $t->logged(++$lines) =~ /^\d+ "(\w*)" "-?(\w*)"/;

    return join ' ', $r->{status}, $verdict, $reason || ();
}

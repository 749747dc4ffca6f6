#!/usr/bin/perl

# Networks that hide who uses them: refused or reported by kind, as databases
# of MaxMind and of IPinfo tell them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %from = (
    vpn     => '203.0.113.1',
    proxy   => '203.0.113.2',
    home    => '203.0.113.3',       # a residential proxy
    tor     => '203.0.113.4',
    hosting => '203.0.113.5',
    some    => '203.0.113.6',       # nobody says how
    none    => '203.0.113.7',
    both    => '203.0.113.8',       # hosting, and a VPN
    other   => '203.0.113.99',      # in no such database
    ipinfo  => '198.51.100.1',
    relay   => '198.51.100.2',
    open    => '198.51.100.3',
    tor6    => '2001:db8::1',
    office  => '203.0.113.200',     # a VPN, and exempt
);

my %maxmind = (vpn => 'anonymous_vpn', proxy => 'public_proxy',
               home => 'residential_proxy', tor => 'tor_exit_node',
               hosting => 'hosting_provider', office => 'anonymous_vpn',
               tor6 => 'tor_exit_node');

my $t = Test::Gate->new;

$t->document('report', 1000);
$t->countries('203.0.113.0/24' => 'JP', '198.51.100.0/24' => 'DE');

Test::Gate::Countries::database("$t->{dir}/anonymous.mmdb",
    type => 'GeoIP2-Anonymous-IP', networks => {
        (map { net($_) => { is_anonymous => 1, "is_$maxmind{$_}" => 1 } }
             keys %maxmind),
        net('some') => { is_anonymous => 1 },
        net('none') => { is_anonymous => 0, is_anonymous_vpn => 0 },
        net('both') => { is_anonymous => 1, is_anonymous_vpn => 1,
                         is_hosting_provider => 1 } });

Test::Gate::Countries::database("$t->{dir}/ipinfo.mmdb", networks => {
    net('ipinfo') => { vpn => 'true', proxy => '', tor => '' },
    net('relay') => { relay => 'true', vpn => 'false' },
    net('open') => { vpn => '', proxy => '', tor => '', hosting => '' } });

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_geoip  anonymous.mmdb;
    gate_geoip  ipinfo.mmdb;

    gate_policy deny {
        certificate        off;
        anonymous_network  deny;
        allow_network      203.0.113.200;
    }

    gate_policy tor {
        certificate        off;
        deny_country       DE;
        anonymous_network  deny tor hosting;
        status             anonymous_network=451;
    }

    gate_policy report {
        certificate        off;
        anonymous_network  report;
        allow_network      203.0.113.200;
    }
END
        location /deny/    { gate deny;    alias %%DIR%%/docs/; }
        location /tor/     { gate tor;     alias %%DIR%%/docs/; }
        location /report/  { gate report;  alias %%DIR%%/docs/; }
        location /dry/     { gate deny;    alias %%DIR%%/docs/;
                             gate_dry_run on; }

        location = /metrics  { gate off; gate_metrics; }

        add_header  Said "$gate_verdict $gate_reason $gate_notice" always;
END2

# without kinds: all but hosting

is(at('deny', $_), '403 DENIED anonymous_network', "refused: $_")
    for qw(vpn proxy home tor some both ipinfo relay tor6);
is(at('deny', $_), '200 PASSED', "passes: $_") for qw(hosting none other open);
is(at('deny', 'office'), '200 PASSED', 'an exempt network passes');
is($nginx->said(qr/gate: refused: anonymous_network, policy "deny"/), 9,
   'the error log says it');

# with kinds: these

is(at('tor', $_), '451 DENIED anonymous_network', "kinds: refused: $_")
    for qw(tor tor6 hosting both);
is(at('tor', $_), '200 PASSED', "kinds: passes: $_")
    for qw(vpn proxy home some none other);
is(at('tor', 'ipinfo'), '403 DENIED country', 'a list comes first');

# what is only reported

is(at('report', $_), '200 PASSED notice=anonymous_network', "reported: $_")
    for qw(vpn tor some ipinfo);
is(at('report', $_), '200 PASSED', "not reported: $_")
    for qw(hosting none other open office);
is($nginx->said(qr/passed, notice: anonymous_network, policy "report", user /),
   4, 'the error log says it');
is($t->metric('notices_total{notice="anonymous_network"}', 4), 4,
   'and a metric counts it');

is(at('dry', 'tor'), '200 DENIED_DRY_RUN anonymous_network',
   'a dry run lets pass');

# a connection whose requests are of several addresses

my $client = $t->client;

is(join(' ', map {
       $client->request('/deny/report', from => $from{$_})->{status}
   } qw(none tor none vpn other)), '200 403 200 403 200',
   'each request has its own');

$t->done;

sub net { return $from{ $_[0] } . ($from{ $_[0] } =~ /:/ ? '/128' : '/32') }

sub at {
    my ($policy, $from) = @_;

    my $r = $t->get("/$policy/report", from => $from{$from}, close => 1);
    my ($verdict, $reason, $notice) = split / /, $r->{headers}{said}, -1;

    return join ' ', $r->{status}, $verdict, $reason || (),
                     $notice ? "notice=$notice" : ();
}

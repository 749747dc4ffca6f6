#!/usr/bin/perl

# A real Prometheus scrapes a gate for a minute, over TLS with a certificate of
# its own, by the configuration and the alerts of conf-examples/monitoring/; and
# alerts fire while something is wrong, and no longer.  It looks each second, and
# what "for:" has in minutes is made seconds: nothing else is changed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $dir = $t->dir;
my $examples = $t->top . '/conf-examples/monitoring';
my $now = time;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('projects/alpha', 1000);
$t->certificate('localhost', server => 1);
$t->certificate('prometheus', cn => 'prometheus');
$t->write_file('good.crl', $t->crl('ca'));
$t->write_file('old.crl', $t->crl('ca', before => $now - 9000,
                                  after => $now - 10));

my $redis = $t->redis;
my $port = $t->port;

my $nginx = $t->nginx($t->conf(http => <<"END", server => '  gate counted;'));
    gate_redis { server unix:$redis->{socket}; }
    gate_audit file %%DIR%%/events events=state;

    map \$uri \$project { ~^/projects/(?<p>[^/]+) \$p; }

    gate_policy counted {
        certificate    off;
        user           \$http_x_user;
        project        \$project;
        allow_country  JP;
        quota          bytes=10000 per=month key=\$gate_user:\$project
                       name=project;
        store_down     deny;
    }

    gate_policy careful {
        user         \$gate_cert_email;
        crl          %%DIR%%/good.crl %%DIR%%/old.crl;
    }

    server {
        listen       127.0.0.1:$port ssl;
        server_name  gate1.example.go.jp;

        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       on;

        location = /metrics { gate_metrics; }
        location = /careful { gate careful; }
    }
END

my $alerts = $t->read_file("$examples/alerts.yml") =~ s/for: \d+\K[mh]/s/gr;
my $config = $t->read_file("$examples/prometheus.yml")
             =~ s{/etc/prometheus/gate/ca.pem}{$dir/ca.pem}r
             =~ s{/etc/prometheus/gate/prometheus.(?:pem|key)}
                 {$dir/prometheus.pem}gr
             =~ s{alerts.yml}{$t->write_file('alerts.yml', $alerts)}er
             =~ s{_interval: \K15s}{1s}gr
             =~ s{gate1.example.go.jp:9145}{127.0.0.1:$port}r
             =~ s{^ *- gate2.*\n}{}mr
             =~ s{^    tls_config:\n\K}{      server_name: localhost\n}mr;

my $prometheus = $t->prometheus($t->write_file('prometheus.yml', $config));

ok(waits(sub { ($prometheus->value('nginx_gate_redis_up') // 0) == 1 }),
   'it scrapes, and Redis is there')
    or diag explain $prometheus->ask('/api/v1/targets');

ok(fires('NginxGateCrlExpired'), 'a CRL that has expired: it fires');

my %firing = $prometheus->firing;

is($firing{NginxGateCrlExpired}{labels}{file}, "$dir/old.crl",
   'of that file');
is(join(' ', grep { !/Crl/ } sort keys %firing), '', 'and nothing else does');

# one user takes most of a project

is(get('alice'), 200, 'he takes some of a project') for 1 .. 8;
ok(fires('NginxGateProjectTaken'), 'it is most of what it holds: it fires');
%firing = $prometheus->firing;
is($firing{NginxGateProjectTaken}{labels}{policy}, 'counted',
   'of which policy');
unlike(join(' ', values %{ $firing{NginxGateProjectTaken}{labels} }), qr/alice/,
       'a label does not say who');

# Redis goes, and comes back

$redis->kill;
ok(fires('NginxGateRedisAway'), 'Redis is killed: it fires');
is(get('bob'), 503, 'who has no credit is refused');
$redis->start;
ok(rests('NginxGateRedisAway'), 'Redis is back: it does not any more');

# a CRL is renewed

$t->write_file('old.crl', $t->crl('ca'));
ok(rests('NginxGateCrlExpired'), 'a CRL is renewed: it does not any more');
ok(rests('NginxGateCrlEndsSoon'), 'nor that it ends');

# a minute of it

ok(waits(sub {
    ($prometheus->value('count_over_time(up[10m])') // 0) >= 60;
}), 'it has scraped for a minute');
is($prometheus->value('min_over_time(up[10m])'), 1, 'each time it got them');
is($prometheus->value('sum(nginx_gate_requests_total{verdict="denied"})'), 1,
   'as they are');

$nginx->stop;
ok(fires('NginxGateDown'), 'the gate is stopped: it fires');

$prometheus->stop;
is(join('', grep { /level=(?:warn|error)/ && !/Received SIGTERM/ }
        split /^/, $t->read_file('prometheus.log')), '',
   'Prometheus found nothing wrong with it');

$t->done;

sub waits { return $t->wait_for($_[0], 120) }

sub fires {
    my ($alert) = @_;

    return waits(sub { my %firing = $prometheus->firing; $firing{$alert} });
}

sub rests {
    my ($alert) = @_;

    return waits(sub { my %firing = $prometheus->firing; !$firing{$alert} });
}

sub get {
    my ($user) = @_;

    return $t->get('/projects/alpha', from => '203.0.113.1',
                   headers => { 'X-User' => $user })->{status};
}

#!/usr/bin/perl

# Monitoring: a live scrape is one that promtool takes; README, scrape, alerts
# and dashboard know the same metrics; each alert fires when it says, and not
# otherwise; and when one user takes most of a project, that is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $dir = $t->dir;
my $top = $t->top;
my $examples = "$top/conf-examples/monitoring";

$t->countries('203.0.113.0/24' => 'JP');
$t->document("projects/$_", 1000) for qw(alpha beta);
$t->certificate('alice', email => 'alice@example.jp');
$t->write_file('ca.crl', $t->crl('ca'));
$t->write_file('registered', 'a' x 64);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    map \$uri \$project { ~^/projects/(?<p>[^/]+) \$p; }
    map \$gate_project \$project_holds { default 1m; alpha 10000; }

    gate_policy counted {
        user           \$gate_cert_email;
        project        \$project;
        allow_country  JP;
        crl            %%DIR%%/ca.crl;
        quota          bytes=1g per=day;
        quota          requests=1000 per=day;
        quota          documents=1000 per=day;
        quota          bytes=\$project_holds per=month
                       key=\$gate_user:\$project name=project;
    }

    gate_policy listed { fingerprints %%DIR%%/registered; }
END
        gate        counted;
        gate_audit  file %%DIR%%/events;

        location = /metrics { gate off; gate_metrics; }
        location /listed/   { gate listed; }
END2

# one user takes 80 % of what a project holds, once

my $level = 'quota_levels_total{policy="counted",quota="project",level="80"}';

is(get('alpha'), 200, 'he takes some of a project') for 1 .. 7;
is(get('beta'), 200, 'and of another');
is($t->metric('requests_total{policy="counted",verdict="passed",reason=""}', 8),
   8, 'which is counted');
is($t->metric($level, 0), 0, 'it was not most of either');
is(get('alpha'), 200, 'he takes more of one');
is($t->metric($level, 1), 1, 'then it is most of it');
is(get('alpha'), 200, 'and more');
is($t->metric('requests_total{policy="counted",verdict="passed",reason=""}',
              10), 10, 'which is counted');
is($t->metric($level, 1), 1, 'that was said once');

my @events;

ok($t->wait_for(sub {
    @events = grep { $_->{'event.action'} eq 'quota-80' }
              map { decode_json($_) } split /\n/, $t->read_file('events');
}), 'the audit has it');
is_deeply([ @{ $events[0] }{qw(user.name gate.project rule.name)} ],
          [ 'alice@example.jp', 'alpha', 'project' ],
          'and who it was, of which project') or diag explain $events[0];

# what Prometheus makes of it

my $scrape = $t->get('/metrics')->{body};
my %is = map { $_ => 1 } $scrape =~ /^# TYPE (\S+)/mg;

is(said("promtool check metrics", $scrape), '', 'promtool takes the scrape');

my ($section) = $t->read_file("$top/README.md")
                =~ /^### gate_metrics\n(.*?)^### /ms;
my %told = map { $_ => 1 } map { /(nginx_gate_\w+)/g }
           $section =~ /^\| (`nginx_gate.*?) \|/mg;

is(join(' ', sort keys %told), join(' ', sort keys %is),
   'the README tells of those, and of no other');

for my $file (qw(alerts.yml dashboard.json alerts-test.yml)) {
    my %used = map { $_ => 1 } map { s/_(?:bucket|sum|count)$//r }
               $t->read_file("$examples/$file") =~ /\b(nginx_gate_\w+)/g;

    cmp_ok(scalar keys %used, '>', 8, "$file uses some of them");
    is(join(' ', sort grep { !$is{$_} } keys %used), '',
       "$file uses no other");
}

# alerts

my $said = said("promtool check rules $examples/alerts.yml");

like($said, qr/SUCCESS/, 'the alerts are rules') or diag $said;
$said = said("promtool test rules $examples/alerts-test.yml");
like($said, qr/^  SUCCESS/m, 'and fire as they should') or diag $said;

my @alerts = $t->read_file("$examples/alerts.yml") =~ /alert: (\w+)/g;
my %tested = map { $_ => 1 } $t->read_file("$examples/alerts-test.yml")
                             =~ /alertname: (\w+)\n\s+exp_alerts/g;
my %explained = map { $_ => 1 } $t->read_file("$examples/README.md")
                                =~ /^\| `(NginxGate\w+)` \|/mg;

is(join(' ', sort keys %tested), join(' ', sort @alerts), 'each is tested');
is(join(' ', sort keys %explained), join(' ', sort @alerts),
   'each is explained');

# prometheus.yml, with certificates at other places

$t->certificate('prometheus');

my $conf = $t->read_file("$examples/prometheus.yml")
           =~ s{/etc/prometheus/gate/ca.pem}{$dir/ca.pem}r
           =~ s{/etc/prometheus/gate/prometheus.(?:pem|key)}
               {$dir/prometheus.pem}gr
           =~ s{alerts.yml}{$examples/alerts.yml}r;

$conf = $t->write_file('prometheus.yml', $conf);
$said = said("promtool check config $conf");
like($said, qr/SUCCESS: $conf is valid/, 'prometheus.yml') or diag $said;

# the dashboard: expressions with something in place of its variables

my $dashboard = decode_json($t->read_file("$examples/dashboard.json"));
my @panels = @{ $dashboard->{panels} };
my %id = map { $_->{id} => 1 } @panels;

cmp_ok($dashboard->{schemaVersion}, '>=', 38, 'it is of Grafana 10');
is($dashboard->{templating}{list}[0]{type}, 'datasource',
   'the data source is a variable');
is(scalar(grep { ($_->{datasource}{uid} // '') ne '${datasource}' } @panels,
          map { @{ $_->{targets} } } @panels), 0, 'of each panel');
is(scalar keys %id, scalar @panels, 'panels have ids of their own');
is(scalar(grep { !$_->{title} || !$_->{description} } @panels), 0,
   'and say what they show');

my $n = 0;
my $rules = "groups:\n  - name: dashboard\n    rules:\n";

for (map { @{ $_->{targets} } } @panels) {
    my $expr = $_->{expr} =~ s/\$__rate_interval/5m/gr
                          =~ s/\$(?:instance|policy)/.*/gr;

    $rules .= "      - { record: 'r" . ++$n . "', expr: '$expr' }\n";
}

my $file = $t->write_file('dashboard.yml', $rules);

$said = said("promtool check rules $file");
like($said, qr/SUCCESS: $n rules found/, 'its expressions') or diag $said;

$t->done;

sub get {
    my ($project) = @_;

    return $t->get("/projects/$project", cert => 'alice',
                   from => '203.0.113.1')->{status};
}

# what a command says, of what it is given

sub said {
    my ($command, $in) = @_;

    my $file = $t->write_file('in', $in // '');
    my $out = qx($command < $file 2>&1);

    return $? ? "failed: $out" : $out;
}

#!/usr/bin/perl

# Who would have been refused: the query of the README, word for word, asks the
# log that the README has nginx write.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my %from = (JP => '203.0.113.5', DE => '198.51.100.5', tor => '203.0.113.9',
            nowhere => '192.0.2.1');

my $t = Test::Gate->new;

my ($section) = $t->read_file($t->top . '/README.md')
                =~ /^## From report to deny in two weeks\n(.*?)^## /ms;
my ($format) = ($section // '') =~ /^(log_format passage .*?;)$/ms;
my ($rules) = ($section // '') =~ /^gate_policy staff \{\n(.*?)^\}/ms;
my ($query) = ($section // '') =~ /^```sh\n(.*?)^```/ms;

ok($format && $rules && $query, 'the README has a log, rules and a query');
is($query =~ s{/var/log/nginx/passage\.log}{$t->{dir}/passage.log}, 1,
   'which is of that log');
is($rules =~ s/\$gate_cert_email/\$http_x_user/, 1, 'the user is a header');

$t->document('report', 1000);

my %tokyo = (country => { iso_code => 'JP' },
             city => { names => { en => 'Tokyo' } },
             location => { latitude => 35.6895, longitude => 139.6917 });

Test::Gate::Countries::database("$t->{dir}/country.mmdb", networks => {
    '203.0.113.0/24' => \%tokyo,
    '203.0.113.9/32' => { %tokyo, is_tor_exit_node => 1 },
    '198.51.100.0/24' => { country => { iso_code => 'DE' }, location => {
                               latitude => 50.1109, longitude => 8.6821 } } });

my $redis = $t->redis;
my $today = int($redis->command('TIME')->[0] / 86400);

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    $format

    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy staff {
        certificate  off;
$rules
    }
    gate_policy japan {
        certificate    off;
        user           \$http_x_user;
        allow_country  JP;
    }
END
        access_log  %%DIR%%/passage.log passage;

        location /staff/  { gate staff;  alias %%DIR%%/docs/; }
        location /japan/  { gate japan;  alias %%DIR%%/docs/; }
        location /dry/    { gate japan;  alias %%DIR%%/docs/;
                            gate_dry_run on; }
END2

# known for long enough, and where he usually is

$redis->command('HSET', "gate:{$_}:staff/countries", 'since', $today - 8, 'JP',
                join ',', map { $today - $_ } 1 .. 3) for qw(alice bob);

at('staff', 'alice', $_) for qw(JP JP DE tor DE JP nowhere);
at('staff', 'new', $_) for qw(JP DE tor);
at('staff', 'bob', 'JP');
at('japan', 'bob', $_) for qw(JP DE);
at('dry', 'bob', $_) for qw(JP DE DE);
at('dry', qq(mallory\t"of] | {\\), 'DE');
at('dry', "\xff\xfe\x01", 'DE');

$t->wait_for(sub { 18 == (() = $t->read_file('passage.log') =~ /\n/g) });

my $said = qx($query 2>&1);

is($?, 0, 'the query ends well') or diag($said);

my @lines = map { [ split /\t/ ] } split /\n/, $said;

is_deeply([ map { join ' ', @$_[0 .. 3], $_->[6] // '' } @lines ],
          [ "alice anonymous_network JP 1 $from{tor}",
            "alice unusual_country unknown 1 $from{nowhere}",
            "alice unusual_country,speed DE 2 $from{DE}",
            "bob country DE 2 $from{DE}",
            "mallory\\t\"of] | {\\\\ country DE 1 $from{DE}",
            "new anonymous_network JP 1 $from{tor}",
            "new speed DE 1 $from{DE}",
            "\xef\xbf\xbd\xef\xbf\xbd\x01 country DE 1 $from{DE}" ],
          'who would have been refused, why and where');

is(scalar(grep { "$_->[4] $_->[5]" !~ /^(2\d\d\d-\d\d-\d\dT[\d:+-]+ ?){2}$/ }
          @lines), 0, 'with the first and the last time');
cmp_ok($lines[2][4], 'le', $lines[2][5], 'in this order');

$t->write_file('passage.log', '');
is(qx($query 2>&1), '', 'an empty log: nobody');

$t->done;

sub at {
    my ($policy, $user, $from) = @_;

    $t->as('1.1', $user, "/$policy/report", from => $from{$from}, close => 1);
}

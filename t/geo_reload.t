#!/usr/bin/perl

# A database that changes is reloaded while nginx runs: whole or not at all, by
# all workers, with requests on their way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my ($staff, $moving) = qw(203.0.113.5 198.51.100.5);

my $t = Test::Gate->new;
my $file = "$t->{dir}/country.mmdb";

$t->document('report', 1000);
countries('AA');

my $nginx = $t->nginx($t->conf(http => <<'END', server => <<'END2')
    gate_policy staff {
        certificate    off;
        allow_country  JP;
    }
    gate_policy anybody {
        certificate  off;
    }
END
        gate        anybody;
        add_header  Country $gate_country always;

        location /staff/ { gate staff; alias %%DIR%%/docs/; }
END2
    =~ s/country\.mmdb/country.mmdb reload=100ms/r);

my $reloads = 0;
my $warnings = 0;

is(country(), 'AA', 'the database that nginx began with');

# one connection sees what is new at once

my $client = $t->client;

is(of($client), 'AA', 'a connection that is kept');
countries('AB');
reloaded();
is(of($client), 'AB', 'the next request of the same connection');
is($nginx->said(qr/was reloaded/), 1, 'one worker has loaded it, and says so');

# what is no update

my $good = $t->read_file($file);
my $deep = Test::Gate::Countries::crafted(
               Test::Gate::Countries::nested(400_000));

refused('empty', '', 'is empty');
refused('cut in the middle', substr($good, 0, length($good) / 2),
        'is truncated or not a MaxMind database');
refused('cut before its end', substr($good, 0, -1),
        'is truncated or not a MaxMind database');
refused('a text', "203.0.113.0/24 JP\n" x 1000,
        'is truncated or not a MaxMind database');
refused('400,000 nested maps', $deep, 'a record is nested too deep');
refused('damaged in a record', $good =~ s/\x47country/\x1fcountry/r,
        'is damaged');
refused('another kind', networks(),
        'has not the fields that the old one has');

unlink $file;
$warnings++;
said(qr/stat\(\) "\Q$file\E" failed, the geo database in use stays/,
     'gone: said once');
is(country(), 'AB', 'gone: the old one stays');

countries('AC');
reloaded();
is(country(), 'AC', 'back again, and new');

mkdir "$t->{dir}/directory";
rename $file, "$t->{dir}/away.mmdb";
rename "$t->{dir}/directory", $file;
$warnings++;
said(qr/is not a regular file, the one in use stays/, 'a directory: said once');
is(country(), 'AC', 'a directory: the old one stays');
rmdir $file;
rename "$t->{dir}/away.mmdb", $file;

# a file that its owner truncates and writes in place, with a pause

countries('AD', "$t->{dir}/next.mmdb");
my $next = $t->read_file('next.mmdb');

open my $fh, '+<:raw', $file or die "$file: $!";
truncate $fh, 0;
syswrite $fh, substr $next, 0, 500;
$warnings++;
said(qr/(truncated or not a MaxMind database|is empty), the one in use stays/,
     'written in place, half: said once');
is(of($client), 'AC', 'written in place, half: the old one stays');
syswrite $fh, substr $next, 500;
close $fh;
reloaded();
ok($t->wait_for(sub { of($client) eq 'AD' }),
   'written in place, whole: reloaded');

# a worker that takes the place of one that was killed; a reload of nginx

my @old = $nginx->workers;
$nginx->{expected} = qr/exited on signal 9/;
kill KILL => $old[0];
$t->wait_for(sub { !grep { $_ == $old[0] } $nginx->workers });
$t->wait_for(sub { $nginx->workers == @old });
is(join(' ', map { country() } 1 .. 20), join(' ', ('AD') x 20),
   'a worker that came later has what is in use');

countries('AE');
reloaded();
is(join(' ', map { country() } 1 .. 20), join(' ', ('AE') x 20),
   'and what comes after it');

countries('AF');
$nginx->reload;
is(country(), 'AF', 'a reload of nginx has the new one at once');

# a hundred updates under load, with what is none in between

$reloads = $nginx->said(qr/was reloaded/);
$warnings = warnings();

my $parent = $$;
my @loaders = map { loader($_) } 1 .. 3;
my $seen = 0;
my @bad = ('', substr($good, 0, 700), $deep, 'x' x 5000,
           $good =~ s/\x47country/\x1fcountry/r);

for my $n (1 .. 100) {
    my $code = 'B' . chr(65 + $n % 26);

    if ($n % 2) {
        $t->write_file($file, $bad[$n / 2 % @bad]);
        $warnings++;
        $t->wait_for(sub { warnings() == $warnings })
            or diag("not refused before $n");
    }

    countries($code);
    $t->wait_for(sub { $nginx->said(qr/was reloaded/) == $reloads + 1 });
    $reloads++;
    $seen++ if country() eq $code && country() eq $code;
}

is($seen, 100, 'after each of 100 updates, the new country at once');
is(warnings(), $warnings, 'what was no update is said once each');

$t->write_file('stop', '');
waitpid $_, 0 for @loaders;

my @said = map { $t->read_file("load.$_") } 1 .. 3;
my ($requests, $failed) = (0, 0);

for (@said) {
    /^(\d+) (\d+)$/ or next;
    $requests += $1;
    $failed += $2;
}

is($failed, 0, 'no request failed meanwhile');
cmp_ok($requests, '>', 1000, 'of more than 1,000');
note("$requests requests");

# nothing is left of old files

for my $pid ($nginx->workers) {
    $t->wait_for(sub { held($pid) eq '1 mapped, 1 with bytes' });
    is(held($pid), '1 mapped, 1 with bytes', 'a worker holds one file');
}

$t->done;

sub countries {
    my ($code, $to) = @_;

    Test::Gate::Countries::write($to // $file, '203.0.113.0/24' => 'JP',
        '198.51.100.0/24' => $code,
        map { ("10.$_.0.0/16" => 'J' . chr(65 + $_ % 26)) } 0 .. 255);
}

sub networks {
    my $name = "$t->{dir}/networks.mmdb";

    Test::Gate::Countries::database($name, networks => {
        '203.0.113.0/24' => { autonomous_system_number => 2497 } });

    return $t->read_file($name);
}

sub of {
    my ($client) = @_;

    return $client->request('/report', from => $moving)->{headers}{country};
}

sub country {
    return $t->get('/report', from => $moving, close => 1)->{headers}{country};
}

sub warnings { return $nginx->said(qr/\[warn\].*(in use stays)/) }

sub reloaded {
    $reloads++;
    $t->wait_for(sub { $nginx->said(qr/was reloaded/) == $reloads })
        or diag('not reloaded');
}

sub refused {
    my ($what, $bytes, $why) = @_;

    $t->write_file($file, $bytes);
    $warnings++;
    said(qr/\Q$file\E" .*\Q$why\E, the one in use stays/, "$what: said once");
    is(of($client), 'AB', "$what: the old one stays");
}

# Said by one worker, and by none since the last time: it is counted.

sub said {
    my ($words, $what) = @_;

    $t->wait_for(sub { warnings() >= $warnings });
    is(warnings() . ' ' . ($nginx->said($words) > 0), "$warnings 1", $what);
}

sub loader {
    my ($n) = @_;

    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    my ($requests, $failed) = (0, 0);

    until (-e "$t->{dir}/stop" || getppid != $parent) {
        my $client = $t->client;

        for (1 .. 50) {
            my $r = $client->request('/staff/report', from => $staff);
            $requests++;
            $failed++ unless $r->{status} == 200 && $r->{whole}
                             && $r->{headers}{country} eq 'JP';
        }
    }

    $t->write_file("load.$n", "$requests $failed");
    kill KILL => $$;
}

sub held {
    my ($pid) = @_;

    my $mapped = () = $t->read_file("/proc/$pid/maps") =~ /nginx_gate_geo/g;
    my $full = grep { (readlink($_) // '') =~ /nginx_gate_geo/ && -s $_ }
               glob "/proc/$pid/fd/*";

    return "$mapped mapped, $full with bytes";
}
